"""What ``fit``, ``inspect`` and ``tune`` print."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from langsteer.cli.terminal import escaped, out, print_json
from langsteer.space.header import increments_as_json, trained_as_json
from langsteer.space.space import Space
from langsteer.statistics.uncertainty import delta_quality
from langsteer.text.tags import display_name
from langsteer.tuning import Tuned, describe

NEAREST = 3


def inspection(space: Space, layer: int | None = None) -> dict[str, Any]:
    """Everything that ``inspect`` shows, as plain values.

    Args:
        space: The space.
        layer: At which layer the languages are compared; default: the operating point's.

    Raises:
        SpaceError: The space has no such layer.
    """
    point = space.operating_point or space.default_point()
    chosen = point.layers[0] if layer is None else layer
    means = space.standardised_means(chosen)
    distances = torch.cdist(means, means)
    return {
        "model": space.model.name,
        "corpus": space.corpus.name,
        "pooling": space.pooling,
        "chat": space.corpus.chat,
        "operating_point": None if space.operating_point is None else asdict(point),
        "layer": chosen,
        "languages": [
            {
                "language": language,
                "name": display_name(language),
                "texts": space.corpus.texts[language],
                "distance_from_centre": float((means[row] - means.mean(0)).norm()),
                "nearest": _nearest(space, distances[row], row),
            }
            for row, language in enumerate(space.languages)
        ],
        "unit": "standard deviations within languages, coordinate by coordinate",
        "layers": [asdict(one) for one in delta_quality(space.statistics)],
        "increments": increments_as_json(space.increments),
        "trained": trained_as_json(space.trained),
        "dropped": dict(space.dropped),
        "duplicates": dict(space.statistics.duplicates),
        "warnings": list(space.warnings((chosen,))),
    }


def _nearest(space: Space, distances: torch.Tensor, row: int) -> list[dict[str, Any]]:
    order = [number for number in distances.argsort().tolist() if number != row]
    return [
        {"language": space.languages[number], "distance": float(distances[number])}
        for number in order[:NEAREST]
    ]


def show_written(space: Space, path: Path, *, as_json: bool) -> None:
    """Say what a space is that was written to ``path``, as tables or as JSON."""
    found = inspection(space)
    if as_json:
        print_json({"space": str(path), **found})
        return
    print_inspection(found, out)
    out.print(f"\nwrote [bold]{escaped(path)}[/bold]", highlight=False)


def print_inspection(found: dict[str, Any], console: Console) -> None:
    """The same as two tables, and the warnings."""
    console.print(
        f"[bold]{escaped(found['model'])}[/bold], fitted on {escaped(found['corpus'])} "
        f"(pooling {found['pooling']}{_turn(found['chat'])})",
        highlight=False,
    )
    console.print(_languages_table(found))
    console.print(_layers_table(found))
    point = found["operating_point"]
    if point is None:
        console.print("no operating point yet: langsteer tune chooses one")
    else:
        layers = ", ".join(map(str, point["layers"]))
        console.print(
            f"operating point: layer {layers}, strength {point['strength']:g}, scope "
            f"{point['scope']}, {point['estimator']}; chosen on {escaped(point['split'])}",
            highlight=False,
        )
    if found["trained"] is not None:
        trained = found["trained"]
        record = trained["record"]
        console.print(
            f"trained vectors: layers {', '.join(map(str, trained['layers']))}, scope "
            f"{trained['scope']}, shape {trained['shape']}, {record.get('steps', '?')} steps on "
            f"{escaped(str(record.get('corpus', '?')))}",
            highlight=False,
        )
    dropped = ", ".join(f"{count:,} {kind}" for kind, count in found["dropped"].items() if count)
    if dropped:
        console.print(f"tokens left out of the means: {dropped}", highlight=False)
    if found["duplicates"]:
        copies = ", ".join(f"{count:,} {tag}" for tag, count in found["duplicates"].items())
        console.print(f"copies of texts, each counted once: {copies}", highlight=False)
    for warning in found["warnings"]:
        console.print(f"[yellow]warning:[/yellow] {escaped(warning)}", highlight=False)


def _turn(chat: str | None) -> str:
    return "" if chat is None else f"; each text as a turn of the {chat}"


def _languages_table(found: dict[str, Any]) -> Table:
    table = Table(
        title=f"languages at layer {found['layer']}",
        title_justify="left",
        caption=f"distances in {found['unit']}",
        caption_justify="left",
    )
    for column in ("tag", "language"):
        table.add_column(column)
    table.add_column("texts", justify="right")
    table.add_column("from centre", justify="right")
    table.add_column("nearest (distance)")
    for one in found["languages"]:
        nearest = ", ".join(f"{n['language']} ({n['distance']:.2f})" for n in one["nearest"])
        table.add_row(
            one["language"],
            one["name"],
            f"{one['texts']:,}",
            f"{one['distance_from_centre']:.2f}",
            nearest,
        )
    return table


def _layers_table(found: dict[str, Any]) -> Table:
    table = Table(
        title="difference of two languages by layer: medians over pairs", title_justify="left"
    )
    for column in ("layer", "norm of Δ", "standard error", "predicted cosine"):
        table.add_column(column, justify="right")
    for one in found["layers"]:
        table.add_row(
            str(one["layer"]),
            f"{one['norm']:.3f}",
            f"{one['standard_error']:.3f}",
            f"{one['cosine']:.3f}",
        )
    return table


def trials_as_json(tuned: Tuned) -> dict[str, Any]:
    """The chosen operating point, every trial, and what they cost."""
    return {
        "operating_point": asdict(replace(tuned.point, evidence={})),
        "trials": [asdict(trial) for trial in tuned.trials],
        "ranked": [asdict(trial) for trial in tuned.ranked],
        "tokens": tuned.tokens,
        "answers": tuned.answers,
    }


def print_trials(tuned: Tuned, console: Console) -> None:
    """Every configuration that was tried, in the order of trying."""
    table = Table(
        title="trials",
        title_justify="left",
        caption="language, meaning, objective: percent",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for column in ("layer", "scope", "estimator"):
        table.add_column(column)
    for column in ("strength", "prompts", "language", "meaning", "objective"):
        table.add_column(column, justify="right", no_wrap=True)
    for trial in tuned.trials:
        meaning = trial.scores.meaning
        table.add_row(
            ", ".join(map(str, trial.point.layers)),
            trial.point.scope,
            trial.point.estimator,
            f"{trial.point.strength:.3g}",
            f"{trial.cases:,}",
            f"{100 * trial.scores.language_rate.value:.1f}",
            "–" if meaning is None else f"{100 * meaning.value:.1f}",
            f"{100 * trial.objective:.1f}",
        )
    if tuned.ranked:
        best = tuned.ranked[0]
        console.print(
            f"ranked {len(tuned.ranked)} configurations by teacher forcing; the best, "
            f"{describe(best.point)}, closes {100 * best.recovered:.0f} % of the gap to the "
            "translated prompts",
            highlight=False,
        )
    console.print(table)
    _print_choice(tuned, console)


def _print_choice(tuned: Tuned, console: Console) -> None:
    point = tuned.point
    console.print(
        f"chosen: {describe(point)}; objective {point.scores['objective']:.3f} "
        f"[{point.scores['objective_low']:.3f}, {point.scores['objective_high']:.3f}] on "
        f"{point.evidence['cases']:,} prompts and targets of {escaped(point.split)}",
        highlight=False,
    )
    for own in point.pairs:
        console.print(
            f"{own.source} to {own.target}: {describe(point.of(own.source, own.target))}; "
            f"{own.scores['objective']:.3f} instead of {own.scores['objective_of_all']:.3f}",
            highlight=False,
        )
    console.print(
        f"{tuned.tokens:,} tokens generated in {tuned.answers:,} answers "
        f"(budget {point.evidence['budget']:,})",
        highlight=False,
    )
