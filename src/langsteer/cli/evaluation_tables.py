"""What `evaluate` and `demo` print."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table

from langsteer.cli.scoring import ARROWS, shown_estimate
from langsteer.cli.terminal import escaped
from langsteer.evaluation.aggregate import Estimate, Rate, percent
from langsteer.evaluation.conditions import CONDITIONS, STEERED
from langsteer.evaluation.cost import cost_lines
from langsteer.evaluation.evaluate import Evaluation
from langsteer.evaluation.metrics import METRICS
from langsteer.evaluation.summary import Scores
from langsteer.space.space import OperatingPoint
from langsteer.text.tags import display_name


def print_evaluation(found: Evaluation, console: Console) -> None:
    """Every family under every condition, every metric under each, and what steering costs."""
    console.print(results_table(found.families, found.point))
    if found.metrics:
        console.print(metrics_table(found.metrics))
    for line in cost_lines(found.cost):
        console.print(escaped(line), highlight=False)
    if found.unjudged:
        names = ", ".join(f"{display_name(one)} ({one})" for one in found.unjudged)
        console.print(
            f"[yellow]note:[/yellow] the language detector does not know {names}; nothing was "
            "asked in them",
            highlight=False,
        )


def results_table(families: Mapping[str, Mapping[str, Scores]], point: OperatingPoint) -> Table:
    """Every family under every condition, with 95 % intervals."""
    where = ", ".join(str(layer) for layer in point.layers)
    steered = [conditions[STEERED.name] for conditions in families.values()]
    prompts, pairs = sum(one.prompts for one in steered), max(one.pairs for one in steered)
    table = Table(
        title=f"layer {where}, strength {point.strength:g}, scope {point.scope}, {point.estimator}",
        title_justify="left",
        caption=(
            f"percent \\[95 % bootstrap interval over concepts]; {prompts:,} prompts, {pairs} "
            "ordered pairs of languages; both: share of answers that are right in both"
        ),
        box=box.SIMPLE_HEAD,
        caption_justify="left",
    )
    table.add_column("family", min_width=12)
    table.add_column("condition", no_wrap=True)
    for column in ("right language", "right meaning", "both"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, conditions in families.items():
        for number, (condition, found) in enumerate(conditions.items()):
            table.add_row(
                escaped(name) if number == 0 else "",
                CONDITIONS[condition].label,
                escaped(percent(found.language_rate)),
                escaped(percent(found.meaning)),
                escaped(percent(found.both)),
                style="bold" if condition == STEERED.name else None,
                end_section=number == len(conditions) - 1,
            )
    return table


def metrics_table(metrics: Mapping[str, Mapping[str, Estimate]]) -> Table:
    """Every metric under every condition; intervals for the steered answers alone, for room."""
    table = Table(
        title="every metric, all families together",
        title_justify="left",
        caption=(
            "shares in percent \\[95 % bootstrap interval]; ↑ more is better, ↓ less is better; "
            "docs/metrics.md says what each is"
        ),
        box=box.SIMPLE_HEAD,
        caption_justify="left",
    )
    table.add_column("metric", no_wrap=True)
    for condition in metrics:
        table.add_column(CONDITIONS[condition].label, justify="right", no_wrap=True)
    for metric in METRICS:
        found = {condition: one.get(metric.name) for condition, one in metrics.items()}
        if any(found.values()):
            shown = [_shown(one, condition == STEERED.name) for condition, one in found.items()]
            table.add_row(f"{metric.name} {ARROWS[metric.better]}".strip(), *shown)
    return table


def _shown(one: Estimate | None, interval: bool) -> str:
    text = percent(one) if one is None or isinstance(one, Rate) else shown_estimate(one)
    return escaped(text) if interval else text.split(" [", 1)[0]
