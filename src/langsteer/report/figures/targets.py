"""Into which languages steering works: a point with its interval for each."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from langsteer.evaluation.aggregate import Rate
from langsteer.evaluation.summary import Scores
from langsteer.report import numbers
from langsteer.report.drawing import Canvas, Chart
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table, rate_columns, rate_values

LINE = 0.3
"""The height of one language in inches."""
ASIDE = 0.16
"""How far the point of meaning lies below that of language, in lines."""


def targets_chart(targets: Mapping[str, Scores]) -> Chart | None:
    """One line for each language steered to, the worst first; None without any."""
    if not targets:
        return None
    ordered = sorted(targets, key=lambda tag: (targets[tag].language_rate.value, tag))
    worst = ordered[0]
    return Chart(
        name="targets",
        title="Right language by target",
        reading="Each point is the share of answers steered to that language which came out in it, "
        "with its 95 % interval; the prompts of all other languages weigh the same. "
        "Squares are the share with the right meaning.",
        alt=f"Dot plot of {len(ordered)} languages steered to. The lowest is {worst} with "
        f"{numbers.percent(targets[worst].language_rate.value)} in the right language.",
        table=tabulated(targets),
        draw=lambda canvas: drawn(canvas, ordered, targets),
    )


def tabulated(targets: Mapping[str, Scores]) -> Table:
    """One row for each language."""
    columns = [
        Column("target", "To", "text"),
        *rate_columns("language_rate", "Language"),
        *rate_columns("meaning", "Meaning"),
        *rate_columns("both", "Both"),
        Column("prompts", "Prompts", "count"),
    ]
    rows = [
        [
            tag,
            *rate_values(found.language_rate),
            *rate_values(found.meaning),
            *rate_values(found.both),
            found.prompts,
        ]
        for tag, found in sorted(targets.items())
    ]
    return Table(columns, rows)


def drawn(canvas: Canvas, ordered: list[str], targets: Mapping[str, Scores]) -> Figure:
    """The chart."""
    figure = canvas.figure(0.9 + LINE * len(ordered), most=6.6)
    axes = canvas.axes(figure)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=canvas.colour("line"), linewidth=0.8)
    rates = [targets[tag].language_rate for tag in ordered]
    meanings = [targets[tag].meaning for tag in ordered]
    points(axes, rates, -ASIDE / 2, "right language", "o", canvas.colour("accent"))
    if any(one is not None for one in meanings):
        points(axes, meanings, ASIDE, "right meaning", "s", canvas.colour("second"))
    axes.set_yticks(range(len(ordered)), ordered)
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    lowest = min(one.low for one in (*rates, *meanings) if one is not None)
    axes.set_xlim(lowest - 0.04 * (1.02 - lowest) - 0.005, 1 + 0.02 * (1 - lowest) + 0.002)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.locator_params(axis="x", nbins=4 if canvas.narrow else 7)
    canvas.legend(figure, axes, columns=2)
    return figure


def points(
    axes: Axes, rates: list[Rate] | list[Rate | None], aside: float, label: str, *look: str
) -> None:
    """Points with their intervals, one on each line; `look` is the marker and the colour."""
    marker, colour = look
    known = [(row + aside, one) for row, one in enumerate(rates) if one is not None]
    places = [place for place, _ in known]
    axes.hlines(
        places, [one.low for _, one in known], [one.high for _, one in known], colour, alpha=0.6
    )
    values = [one.value for _, one in known]
    axes.plot(values, places, marker, color=colour, markersize=5, label=label)


FIGURE = ReportFigure(
    "targets",
    "Every target language",
    lambda report: [targets_chart(report.targets)],
    expected=False,
)
