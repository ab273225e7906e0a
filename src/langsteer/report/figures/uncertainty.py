"""Quality of Δ by layer: its length against its error, and how well its direction is known."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from langsteer.report.drawing import Canvas, Chart, layer_axis
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table
from langsteer.statistics.uncertainty import DeltaQuality

GOOD_COSINE = 0.99
"""Below this the direction of Δ is not known well: more texts are needed."""

MANY_TIMES = 200
"""From this ratio of the largest to the smallest length only powers of ten are marked."""


def uncertainty_chart(qualities: Sequence[DeltaQuality]) -> Chart | None:
    """Norm, standard error and predicted cosine over the layers; None without any."""
    if not qualities:
        return None
    ordered = sorted(qualities, key=lambda quality: quality.layer)
    worst = min(ordered, key=lambda quality: quality.cosine)
    return Chart(
        name="uncertainty",
        title="Quality of Δ",
        reading="How long Δ is and how large its standard error (in units of the latent, on a "
        "logarithmic axis), and the cosine predicted between the estimate and the true Δ, which "
        f"counts as well known above {GOOD_COSINE}; medians over the ordered pairs.",
        alt=f"Two line charts over layers {ordered[0].layer} to {ordered[-1].layer}. The lowest "
        f"predicted cosine is {worst.cosine:.4f} at layer {worst.layer}.",
        table=tabulated(ordered),
        draw=lambda canvas: drawn(canvas, ordered),
    )


def tabulated(qualities: Sequence[DeltaQuality]) -> Table:
    """One row for each layer."""
    columns = [
        Column("layer", "Layer", "count"),
        Column("norm", "Length of Δ", "real"),
        Column("standard_error", "Standard error", "real"),
        Column("cosine", "Predicted cosine", "real"),
    ]
    return Table(
        columns, [[one.layer, one.norm, one.standard_error, one.cosine] for one in qualities]
    )


def drawn(canvas: Canvas, qualities: Sequence[DeltaQuality]) -> Figure:
    """Two panels, side by side where there is room."""
    figure = canvas.figure(6.0 if canvas.narrow else 3.6)
    lengths, cosines = figure.subplots(*((2, 1) if canvas.narrow else (1, 2)))
    draw_lengths(canvas, lengths, qualities)
    draw_cosines(canvas, cosines, qualities)
    for axes in (lengths, cosines):
        layer_axis(axes, [quality.layer for quality in qualities])
        canvas.label(axes, x="layer")
    canvas.legend(figure, lengths, columns=2)
    return figure


def draw_lengths(canvas: Canvas, axes: Axes, qualities: Sequence[DeltaQuality]) -> None:
    """Length and standard error."""
    canvas.style(axes)
    canvas.title(axes, "Length of Δ and its error")
    layers = [quality.layer for quality in qualities]
    for name, role, marker, values in (
        ("length", "accent", "o", [quality.norm for quality in qualities]),
        ("standard error", "second", "s", [quality.standard_error for quality in qualities]),
    ):
        colour = canvas.colour(role)
        axes.plot(layers, values, color=colour, marker=marker, markersize=5, lw=1.8, label=name)
    axes.set_yscale("log")
    lengths = [value for one in qualities for value in (one.norm, one.standard_error) if value > 0]
    many = bool(lengths) and max(lengths) > MANY_TIMES * min(lengths)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1,) if many else (1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)


def draw_cosines(canvas: Canvas, axes: Axes, qualities: Sequence[DeltaQuality]) -> None:
    """Predicted cosine with the bound of what counts as well known."""
    canvas.style(axes)
    canvas.title(axes, "Predicted cosine with the true Δ")
    axes.plot(
        [quality.layer for quality in qualities],
        [quality.cosine for quality in qualities],
        color=canvas.colour("accent"),
        marker="o",
        markersize=5,
        linewidth=1.8,
    )
    axes.axhline(GOOD_COSINE, color=canvas.colour("second"), linewidth=1.2, linestyle="--")
    lowest = min(GOOD_COSINE, *(quality.cosine for quality in qualities))
    axes.set_ylim(lowest - 0.35 * (1 - lowest), 1 + 0.08 * (1 - lowest))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


FIGURE = ReportFigure(
    "uncertainty",
    "Quality of Δ",
    lambda report: [uncertainty_chart(report.uncertainty)],
    background=True,
)
