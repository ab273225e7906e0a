"""Which language came out instead."""

from collections import Counter
from collections.abc import Mapping, Sequence

from langsteer.report import numbers
from langsteer.report.data import ConfusionCount
from langsteer.report.drawing import Chart
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.figures.matrix import LOW_STEPS, Matrix
from langsteer.report.tables import Column, Table

UNSURE = "?"
"""The column of the answers in which no language was sure."""

MOST_OFTEN = 3
"""Confusions that are named."""


def confusion_chart(confusion: Sequence[ConfusionCount]) -> Chart | None:
    """Shares of the detected languages for each target; None without any answer."""
    totals = Counter[str]()
    for one in confusion:
        totals[one.target] += one.count
    if not totals.total():
        return None
    targets = sorted(target for target, total in totals.items() if total)
    columns = columns_of(confusion, targets)
    matrix = Matrix(
        rows=targets,
        columns=columns,
        values={
            (one.target, one.detected or UNSURE): one.count / totals[one.target]
            for one in confusion
            if one.count
        },
        row_title="steered to",
        column_title="came out as",
        steps=LOW_STEPS,
        apart=len(columns) - len(targets),
        zeros=True,
    )
    wrong = sum(one.count for one in confusion if one.detected != one.target)
    return Chart(
        name="confusion",
        title="Which language came out",
        reading=reading(columns, targets),
        alt=f"Matrix of {len(targets)} languages steered to by language that came out; "
        f"{numbers.percent(wrong / totals.total())} of the answers are off the diagonal."
        + often(confusion, totals),
        table=tabulated(confusion),
        draw=matrix.draw,
        scrolls=matrix.scrolls,
    )


def reading(columns: Sequence[str], targets: Sequence[str]) -> str:
    """How to read the chart, saying only what is in it."""
    text = (
        "Each row is a language steered to and adds up to 100 %; the diagonal is right, other "
        "cells show what came out instead. The colours set small shares apart."
    )
    others = [column for column in columns if column not in targets and column != UNSURE]
    if others:
        text += " Languages that were no target stand apart at the right."
    if UNSURE in columns:
        text += f" Under {UNSURE} are the answers in which no language was sure."
    return text


def often(confusion: Sequence[ConfusionCount], totals: Mapping[str, int]) -> str:
    """The most frequent confusions in words; nothing where there is none."""
    wrong = [one for one in confusion if one.count and one.detected != one.target]
    worst = sorted(wrong, key=lambda one: (-one.count / totals[one.target], one.target))[
        :MOST_OFTEN
    ]
    if not worst:
        return ""
    return (
        " Most often: "
        + "; ".join(
            f"{one.target} came out as {one.detected or 'no language for sure'} in "
            f"{numbers.percent(one.count / totals[one.target])}"
            for one in worst
        )
        + "."
    )


def columns_of(confusion: Sequence[ConfusionCount], targets: Sequence[str]) -> list[str]:
    """The targets in order, then other languages that came out, then the unsure."""
    found = {one.detected for one in confusion if one.count}
    others = sorted(tag for tag in found if tag is not None and tag not in targets)
    return [*targets, *others, *([UNSURE] if None in found else [])]


def tabulated(confusion: Sequence[ConfusionCount]) -> Table:
    """One row for each target and language that came out."""
    columns = [
        Column("target", "Steered to", "text"),
        Column("detected", "Came out as", "text"),
        Column("count", "Answers", "count"),
    ]
    ordered = sorted(confusion, key=lambda one: (one.target, -one.count, one.detected or ""))
    return Table(columns, [[one.target, one.detected, one.count] for one in ordered])


FIGURE = ReportFigure(
    "confusion",
    "Which language came out",
    lambda report: [confusion_chart(report.confusion)],
    expected=False,
)
