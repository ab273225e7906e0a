"""Probability of the source and of the target word, by layer of the edit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from langsteer.evaluation.words import WordProbabilities
from langsteer.report import numbers
from langsteer.report.drawing import Canvas, Chart, layer_axis, percent_axis
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the chart: how it looks, and which probability of a point it shows."""

    label: str
    role: str
    marker: str
    pick: Callable[[WordProbabilities], float]


LINES = (
    Line("target, steered", "accent", "o", lambda point: point.target_steered),
    Line("target, unsteered", "accent", "", lambda point: point.target_unsteered),
    Line("source, steered", "second", "s", lambda point: point.source_steered),
    Line("source, unsteered", "second", "", lambda point: point.source_unsteered),
)


def words_chart(points: Sequence[WordProbabilities]) -> Chart | None:
    """Four lines over the layers; None without points."""
    if not points:
        return None
    ordered = sorted(points, key=lambda point: point.layer)
    best = max(ordered, key=lambda point: point.target_steered)
    return Chart(
        name="word_probability",
        title="Source word against target word",
        reading="The mean probability that the next token begins the word in the language of the "
        "prompt or in the language steered to, when the edit is made at that layer alone; dashed "
        "lines are the unsteered model.",
        alt=f"Line chart over layers {ordered[0].layer} to {ordered[-1].layer}. The target word is "
        f"most probable after an edit at layer {best.layer}, with "
        f"{numbers.percent(best.target_steered)} against {numbers.percent(best.target_unsteered)} "
        "unsteered.",
        table=tabulated(ordered),
        draw=lambda canvas: drawn(canvas, ordered),
    )


def tabulated(points: Sequence[WordProbabilities]) -> Table:
    """One row for each layer."""
    columns = [
        Column("layer", "Layer", "count"),
        Column("source_unsteered", "Source word, unsteered", "rate"),
        Column("target_unsteered", "Target word, unsteered", "rate"),
        Column("source_steered", "Source word, steered", "rate"),
        Column("target_steered", "Target word, steered", "rate"),
    ]
    rows = [
        [
            point.layer,
            point.source_unsteered,
            point.target_unsteered,
            point.source_steered,
            point.target_steered,
        ]
        for point in points
    ]
    return Table(columns, rows)


def drawn(canvas: Canvas, points: Sequence[WordProbabilities]) -> Figure:
    """The chart."""
    figure = canvas.figure(3.6)
    axes = canvas.axes(figure)
    layers = [point.layer for point in points]
    for line in LINES:
        axes.plot(
            layers,
            [line.pick(point) for point in points],
            color=canvas.colour(line.role),
            linestyle="-" if line.marker else "--",
            linewidth=1.8 if line.marker else 1.4,
            marker=line.marker,
            markersize=5,
            label=line.label,
        )
    percent_axis(axes)
    layer_axis(axes, layers)
    canvas.label(axes, x="layer of the edit")
    canvas.legend(figure, axes, columns=2)
    return figure


FIGURE = ReportFigure(
    "words",
    "Source word against target word",
    lambda report: [words_chart(report.word_probability)],
    background=True,
)
