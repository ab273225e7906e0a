"""Score by layer: where one edit does its work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langsteer.evaluation.aggregate import Rate
from langsteer.report import numbers
from langsteer.report.data import LayerPoint
from langsteer.report.drawing import Canvas, Chart, layer_axis, percent_axis
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table, rate_columns, rate_values
from langsteer.space.space import OperatingPoint


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the chart: how it looks, and which rate of a point it shows."""

    label: str
    role: str
    marker: str
    line: str
    pick: Callable[[LayerPoint], Rate | None]


SERIES = (
    Series("right language", "second", "s", "--", lambda point: point.language_rate),
    Series("right meaning", "third", "^", ":", lambda point: point.meaning),
    Series("both", "accent", "o", "-", lambda point: point.both),
)


def layers_chart(points: Sequence[LayerPoint], chosen: OperatingPoint | None) -> Chart | None:
    """Language rate, meaning and score against the layer that is edited; None without points."""
    if not points:
        return None
    ordered = sorted(points, key=lambda point: point.layer)

    def draw(canvas: Canvas) -> Figure:
        return drawn(canvas, ordered, chosen)

    return Chart(
        name="layers",
        title="Score by layer",
        reading="Each point is one run with the edit at that layer alone, on the tuning split; "
        "bands are 95 % intervals, and the upright line marks the layer that was chosen.",
        alt=described(ordered),
        table=tabulated(ordered),
        draw=draw,
    )


def tabulated(points: Sequence[LayerPoint]) -> Table:
    """One row for each layer."""
    columns = [
        Column("layer", "Layer", "count"),
        *rate_columns("language_rate", "Language"),
        *rate_columns("meaning", "Meaning"),
        *rate_columns("score", "Both"),
    ]
    rows = [
        [
            point.layer,
            *rate_values(point.language_rate),
            *rate_values(point.meaning),
            *rate_values(point.both),
        ]
        for point in points
    ]
    return Table(columns, rows)


def described(points: Sequence[LayerPoint]) -> str:
    """What the chart shows, in words."""
    best = max(points, key=height)
    return (
        f"Line chart over layers {points[0].layer} to {points[-1].layer}. "
        f"The best is layer {best.layer} with {numbers.percent(height(best))}."
    )


def height(point: LayerPoint) -> float:
    """The rate that layers are compared by: the score, or the language rate where there is none."""
    return (point.both or point.language_rate).value


def drawn(canvas: Canvas, points: Sequence[LayerPoint], chosen: OperatingPoint | None) -> Figure:
    """The chart."""
    figure = canvas.figure(3.7)
    axes = canvas.axes(figure)
    for series in SERIES:
        known = [(point.layer, rate) for point in points if (rate := series.pick(point))]
        if known:
            curve(axes, series, known, canvas.colour(series.role))
    for layer in chosen.layers if chosen else ():
        axes.axvline(layer, color=canvas.colour("quiet"), linewidth=1, zorder=1)
    percent_axis(axes)
    layer_axis(axes, [point.layer for point in points])
    canvas.label(axes, x="layer of the edit")
    canvas.legend(figure, axes, columns=3)
    return figure


def curve(axes: Axes, series: Series, known: Sequence[tuple[int, Rate]], colour: str) -> None:
    """One line with its interval as a band."""
    axes.plot(
        [layer for layer, _ in known],
        [rate.value for _, rate in known],
        color=colour,
        linestyle=series.line,
        marker=series.marker,
        markersize=5,
        linewidth=1.8,
        label=series.label,
    )
    axes.fill_between(
        [layer for layer, _ in known],
        [rate.low for _, rate in known],
        [rate.high for _, rate in known],
        color=colour,
        alpha=0.14,
        linewidth=0,
    )


FIGURE = ReportFigure(
    "layers",
    "Score by layer",
    lambda report: [layers_chart(report.layers, report.operating_point)],
)
