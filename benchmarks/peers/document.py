"""The page with the results: one table for the sum of it, one for every setting, and the figure."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from environments import PACKAGES, versions
from figure import save
from measure import Result, Size
from scores import difference, mean_score, score
from settings import EASY, SETTINGS
from treatments import BUDGET

from langsteer.data.files import write_whole
from langsteer.errors import LangsteerError
from langsteer.evaluation.rates import Rate

FIGURE = "benchmarks.png"
NOTES = Path(__file__).parent / "notes.md"
Table = Mapping[str, Mapping[str, Result]]
"""Method → setting → result, in order."""


def write(results: Sequence[Result], path: Path) -> None:
    """Writes the page, and its figure into ``figures`` beside it."""
    table = by_method(results)
    figures = path.parent / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    save(table, figures / FIGURE)
    write_whole(path, page(table).encode(), LangsteerError)


def by_method(results: Sequence[Result]) -> dict[str, dict[str, Result]]:
    """The results by method and setting."""
    table: dict[str, dict[str, Result]] = {}
    for result in results:
        table.setdefault(result.method, {})[result.setting] = result
    return table


def page(table: Table) -> str:
    """The page in Markdown."""
    ours, *others = table
    parts = [
        "# Beside what people use",
        "Made by `python benchmarks/peers/run.py --output docs/benchmarks.md`; the words under "
        "*Reading* are in `benchmarks/peers/notes.md`.",
        "On one model (the embedded atlas: 8 blocks, 12 languages), the same texts, the same "
        f"prompts and the same budget: every method tries at most {BUDGET} configurations on the "
        f"same {Size().tuning} cases of the tuning split, once for every way of fitting, and the "
        f"chosen one is measured on at most {Size().testing} cases of the test split. All choose "
        "by one rule: of the configurations within two points of the best on the tuning cases the "
        "first in a stated order, in which the middle layers, the natural strength and the last "
        "token come first; on so few cases smaller differences are chance. Concepts of "
        "the two splits and of the texts are different ones. The score is the harmonic mean of "
        "the share of answers in the right language and the share of right answers in that "
        "language, in percent, with a 95 % bootstrap interval over the concepts asked for. *Ours "
        "minus it* compares the means of the hard settings case by case.",
        f"![Scores of all methods in all settings](figures/{FIGURE})",
        "## All in all",
        summary(table),
        *verdicts(table, ours, others),
        "Seconds are of processor time, one setting on average: *tuning* with fitting and with "
        "the start of the package, *answering* the test prompts. "
        "Memory is the most that the process of a method, or one that it started, had resident: "
        "the libraries and the model take most of it.",
        "## Setting by setting",
        settings_table(table),
        *[f"- **{one.name}**: {one.definition}" for one in SETTINGS],
        "## What was chosen",
        chosen(table),
        "## Reading",
        NOTES.read_text(encoding="utf-8").strip(),
        "## Versions",
        *[f"- {versions(package)}" for package in PACKAGES],
        f"- python {platform.python_version()}, torch {version('torch')}, transformers "
        f"{version('transformers')}, on {platform.machine()} without an accelerator",
    ]
    return joined(parts) + "\n"


def joined(parts: Sequence[str]) -> str:
    """Paragraphs; the items of a list stay together."""
    text = parts[0]
    for before, part in pairwise(parts):
        text += ("\n" if before.startswith("- ") and part.startswith("- ") else "\n\n") + part
    return text


def summary(table: Table) -> str:
    """One row per method."""
    first, *_ = table
    ours = hard(table[first])
    rows = [
        "| method | easy | mean of hard | ours minus it | tried | s tuning | s answering | MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, found in table.items():
        less = "–" if method == first else points(difference(ours, hard(found)))
        tune = sum(one.seconds_to_tune for one in found.values()) / len(found)
        answer = sum(one.seconds_to_answer for one in found.values()) / len(found)
        memory = max(one.peak_megabytes for one in found.values())
        cells = [
            method,
            percent(score(found[EASY])),
            percent(mean_score(hard(found))),
            less,
            str(max(one.tried for one in found.values())),
            f"{tune:.0f}",
            f"{answer:.0f}",
            f"{memory:.0f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def settings_table(table: Table) -> str:
    """One row per method, one column per setting."""
    names = [one.name for one in SETTINGS]
    rows = [f"| method | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for method, found in table.items():
        rows.append(f"| {method} | {' | '.join(percent(score(found[name])) for name in names)} |")
    return "\n".join(rows)


def verdicts(table: Table, ours: str, others: Sequence[str]) -> list[str]:
    """Where ours is above the others beyond doubt, and where it is not."""
    mean = mean_score(hard(table[ours]))
    close = [one for one in others if mean_score(hard(table[one])).high >= mean.low]
    first = "On the mean of the hard settings the interval of `" + ours + "` lies above "
    if close:
        first += "those of all others but " + ", ".join(close) + "."
    else:
        first += "those of all others."
    losses = [
        f"{setting.name} ({one}: {points(less)})"
        for setting in SETTINGS
        for one in others
        for less in [difference([table[ours][setting.name]], [table[one][setting.name]])]
        if less.high < 0
    ]
    second = "It is below another method, the interval of the difference being below zero, in: "
    return [first, second + ("; ".join(losses) if losses else "no setting") + "."]


def chosen(table: Table) -> str:
    """What tuning chose for every way of fitting."""
    fits = {setting.fit: setting.name for setting in reversed(SETTINGS)}
    names = [name for name in (one.name for one in SETTINGS) if name in fits.values()]
    rows = [f"| method | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for method, found in table.items():
        labels = [found[name].label for name in names]
        rows.append(f"| {method} | {' | '.join(labels)} |")
    return "\n".join(rows)


def hard(found: Mapping[str, Result]) -> list[Result]:
    """The results of the hard settings."""
    return [result for name, result in found.items() if name != EASY]


def percent(rate: Rate) -> str:
    """``97.3 [96–98]``, the bounds rounded outwards."""
    low, high = int(100 * rate.low), -int(-100 * rate.high // 1)
    return f"{100 * rate.value:.1f} [{low}–{high}]"


def points(rate: Rate) -> str:
    """``+3.2 [+1.0, +5.4]``: percentage points."""
    return f"{100 * rate.value:+.1f} [{100 * rate.low:+.1f}, {100 * rate.high:+.1f}]"
