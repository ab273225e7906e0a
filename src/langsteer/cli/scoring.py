"""Scores of answers that were made elsewhere: what ``langsteer score`` prints and writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from langsteer.cli.terminal import escaped, json_value
from langsteer.data.files import write_whole
from langsteer.data.spreadsheets import csv_bytes
from langsteer.errors import LangsteerError
from langsteer.evaluation.aggregate import Estimate, Rate
from langsteer.evaluation.metrics import (
    BY_NAME,
    MEANINGS,
    METRICS,
    Measured,
    Metric,
    combined_score,
    estimates,
    unjudged,
)
from langsteer.text.tags import display_name

By = Literal["group", "target", "pair"]
SCORE = Metric("score", "language and meaning (harmonic mean)", "high")
WHOLE = 100
"""Larger numbers are shown without decimals."""


@dataclass(frozen=True)
class ScoreRow:
    """The numbers of some of the answers."""

    name: str
    answers: int
    estimates: dict[str, Estimate]
    unjudged: Mapping[str, int] = field(default_factory=dict)
    """Target language → answers of which the detector cannot say whether they are in it."""

    def as_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        return {
            "name": self.name,
            "answers": self.answers,
            "metrics": {name: asdict(one) for name, one in self.estimates.items()},
            "unjudged": dict(self.unjudged),
        }


def parts_of(measured: Sequence[Measured], by: By, meaning: str | None = None) -> list[ScoreRow]:
    """The numbers of each group, target language or pair of languages, sorted by name.

    Raises:
        LangsteerError: ``meaning`` is no metric, or no answer has it.
    """
    if meaning is not None and not any(meaning in one.values for one in measured):
        known = ", ".join(name for name in BY_NAME if any(name in one.values for one in measured))
        raise LangsteerError(
            f"No answer has the metric {meaning!r}, so it cannot stand for meaning. There are: "
            f"{known}."
        )
    groups: dict[str, list[Measured]] = {}
    for one in measured:
        groups.setdefault(_name(one, by), []).append(one)
    return [_part(name, groups[name], meaning) for name in sorted(groups)]


def _name(one: Measured, by: By) -> str:
    given = one.answer
    if by == "group":
        return given.group or "all"
    return given.target if by == "target" else f"{given.source or '?'} → {given.target}"


def _part(name: str, measured: Sequence[Measured], meaning: str | None) -> ScoreRow:
    found = estimates(measured)
    score = combined_score(measured, meaning)
    whole = found if score is None else {**found, SCORE.name: score}
    return ScoreRow(name, len(measured), whole, unjudged(measured))


def scores_table(parts: Sequence[ScoreRow], meaning: str | None = None) -> Table:
    """One table: every metric of every part with its interval."""
    used = meaning or next(
        (name for name in MEANINGS if any(name in part.estimates for part in parts)), None
    )
    note = "" if used is None else f"; meaning in the harmonic mean: {BY_NAME[used].title}"
    table = Table(
        caption=f"\\[95 % bootstrap interval]; ↑ more is better, ↓ less is better{note}",
        box=box.SIMPLE_HEAD,
        caption_justify="left",
    )
    table.add_column("metric", no_wrap=True)
    for column in ("value", "answers"):
        table.add_column(column, justify="right", no_wrap=True)
    named = [part.name for part in parts] != ["all"]
    for part in parts:
        shown = [metric for metric in (*METRICS, SCORE) if metric.name in part.estimates]
        if named:
            table.add_row(f"[bold]{escaped(part.name)}[/bold]", "", f"{part.answers:,}")
        for number, metric in enumerate(shown):
            one = part.estimates[metric.name]
            table.add_row(
                f"{metric.title} {ARROWS[metric.better]}".strip(),
                escaped(shown_estimate(one)),
                f"{one.n:,}",
                style="bold" if metric.name in ("forced", "both") else None,
                end_section=number == len(shown) - 1,
            )
    return table


def unjudged_lines(parts: Sequence[ScoreRow]) -> list[str]:
    """What to say of answers whose target language the detector lacks."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.unjudged)
    return [
        f"{count:,} {'answer' if count == 1 else 'answers'} in {display_name(tag)} ({tag}): the "
        "language detector does not know it, so the language was not judged"
        for tag, count in sorted(total.items())
    ]


ARROWS = {"high": "↑", "low": "↓", "": ""}


def shown_estimate(one: Estimate) -> str:
    """A share in percent, any other number with three digits; both with the interval."""
    if isinstance(one, Rate):
        return one.percent(" %")
    return f"{_digits(one.value)} [{_digits(one.low)}–{_digits(one.high)}]"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= WHOLE else f"{number:.3g}"


def print_scores(parts: Sequence[ScoreRow], console: Console, meaning: str | None = None) -> None:
    """Print the table."""
    console.print(scores_table(parts, meaning))
    for line in unjudged_lines(parts):
        console.print(f"[yellow]note:[/yellow] {line}", highlight=False)


def write_verdicts(measured: Iterable[Measured], path: Path) -> None:
    """One row per answer with its language and all its values: CSV or TSV by the name of the file,
    else JSON lines. The file appears whole or not at all.
    """
    rows = [_row(one) for one in measured]
    if path.suffix.lower() in (".csv", ".tsv"):
        columns = list(dict.fromkeys(name for row in rows for name in row))
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        data = csv_bytes(columns, ([row.get(one) for one in columns] for row in rows), separator)
    else:
        lines = "".join(
            json.dumps(json_value(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows
        )
        data = lines.encode("utf-8", "backslashreplace")
    write_whole(path, data, LangsteerError)


def _row(one: Measured) -> dict[str, Any]:
    given = one.answer
    said = {
        "group": given.group,
        "source": given.source,
        "target": given.target,
        "prompt": given.prompt,
        "answer": given.text,
        "language": one.language,
    }
    return {**{name: value for name, value in said.items() if value != ""}, **one.values}
