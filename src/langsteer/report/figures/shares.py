"""Shares of variance by layer: how much of a latent is concept, how much language."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from langsteer.report import numbers
from langsteer.report.data import ShareOfVariance
from langsteer.report.drawing import Canvas, Chart, layer_axis, percent_axis
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table

PARTS = (("language", "accent"), ("concept", "heat_3"), ("rest", "line"))
"""Part and role of its colour, from the bottom up."""


def shares_chart(shares: Sequence[ShareOfVariance]) -> Chart | None:
    """The three shares stacked over the layers; None without any."""
    if not shares:
        return None
    ordered = sorted(shares, key=lambda share: share.layer)
    widest = max(ordered, key=lambda share: share.language)
    return Chart(
        name="shares",
        title="What the latents are made of",
        reading="The height of each band is its share of the variance of a coordinate of the "
        "latents of parallel texts at that layer, on average over coordinates: what the language "
        "explains, what the concept explains, and the rest.",
        alt=f"Stacked areas over layers {ordered[0].layer} to {ordered[-1].layer}. The share of "
        f"language is largest at layer {widest.layer} with {numbers.percent(widest.language)}.",
        table=tabulated(ordered),
        draw=lambda canvas: drawn(canvas, ordered),
    )


def tabulated(shares: Sequence[ShareOfVariance]) -> Table:
    """One row for each layer."""
    columns = [
        Column("layer", "Layer", "count"),
        Column("concept", "Concept", "rate"),
        Column("language", "Language", "rate"),
        Column("rest", "Rest", "rate"),
    ]
    return Table(columns, [[one.layer, one.concept, one.language, one.rest] for one in shares])


def drawn(canvas: Canvas, shares: Sequence[ShareOfVariance]) -> Figure:
    """The chart: areas over several layers, a column for one."""
    figure = canvas.figure(3.3)
    axes = canvas.axes(figure)
    layers = [share.layer for share in shares]
    heights = [[getattr(share, part) for share in shares] for part, _ in PARTS]
    colours = [canvas.colour(role) for _, role in PARTS]
    names = [part for part, _ in PARTS]
    if len(shares) > 1:
        edge = canvas.colour("paper")
        axes.stackplot(layers, heights, labels=names, colors=colours, edgecolor=edge, linewidth=1)
    else:
        bottom = 0.0
        for (height,), name, colour in zip(heights, names, colours, strict=True):
            axes.bar(layers, height, width=0.5, bottom=bottom, label=name, color=colour)
            bottom += height
    percent_axis(axes)
    axes.set_ylim(0, 1)
    layer_axis(axes, layers)
    if len(shares) > 1:
        axes.set_xlim(layers[0], layers[-1])
    canvas.label(axes, x="layer")
    canvas.legend(figure, axes, columns=3)
    return figure


FIGURE = ReportFigure(
    "shares",
    "What the latents are made of",
    lambda report: [shares_chart(report.shares)],
    background=True,
)
