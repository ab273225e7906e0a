"""The share of the gap that an edit closes, by layer: what teacher forcing ranked layers by."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from langsteer.report import numbers
from langsteer.report.data import GapPoint
from langsteer.report.drawing import Canvas, Chart, layer_axis, percent_axis
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table
from langsteer.space.space import OperatingPoint


def gap_chart(points: Sequence[GapPoint], chosen: OperatingPoint | None) -> Chart | None:
    """The closed share against the layer that is edited; None unless several layers were ranked."""
    if len(points) < 2:
        return None
    best = max(points, key=lambda point: point.recovered)
    return Chart(
        name="gap",
        title="Gap closed by layer",
        reading="What the model says by itself to the prompt in the target language costs it more "
        "after the prompt in the source language. Each point is the share of that gap which the "
        "edit closes at that layer alone, at strength 1, on the tuning split: 100 % is as if the "
        "prompt had been translated. The upright line marks the layer that was chosen.",
        alt=f"Line chart over layers {points[0].layer} to {points[-1].layer}. The best is layer "
        f"{best.layer} with {numbers.percent(best.recovered)}.",
        table=tabulated(points),
        draw=lambda canvas: drawn(canvas, points, chosen),
    )


def tabulated(points: Sequence[GapPoint]) -> Table:
    """One row for each layer."""
    columns = [Column("layer", "Layer", "count"), Column("recovered", "Gap closed", "rate")]
    return Table(columns, [[point.layer, point.recovered] for point in points])


def drawn(canvas: Canvas, points: Sequence[GapPoint], chosen: OperatingPoint | None) -> Figure:
    """The chart."""
    figure = canvas.figure(3.3)
    axes = canvas.axes(figure)
    layers = [point.layer for point in points]
    values = [point.recovered for point in points]
    axes.plot(layers, values, color=canvas.colour("accent"), marker="o", markersize=5)
    for layer in chosen.layers if chosen else ():
        axes.axvline(layer, color=canvas.colour("quiet"), linewidth=1, zorder=1)
    percent_axis(axes)
    axes.set_ylim(min(0.0, *values) - 0.03, max(1.0, *values) + 0.03)
    layer_axis(axes, layers)
    canvas.label(axes, x="layer of the edit")
    return figure


FIGURE = ReportFigure(
    "gap",
    "Gap closed by layer",
    lambda report: [gap_chart(report.gaps, report.operating_point)],
    expected=False,
)
