"""Comparison of methods, each with its interval."""

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from langsteer.errors import ReportError
from langsteer.evaluation.aggregate import Rate
from langsteer.report import numbers
from langsteer.report.data import MethodResult
from langsteer.report.drawing import Canvas, Chart
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table, rate_columns, rate_values

ACROSS = 3
"""Panels side by side where there is room."""


def methods_chart(results: Sequence[MethodResult]) -> Chart | None:
    """One panel for each setting, one line for each method; None without results."""
    if not results:
        return None
    methods, settings = in_order(results), list(dict.fromkeys(one.setting for one in results))
    return Chart(
        name="methods",
        title="Comparison of methods",
        reading=reading(results),
        alt=described(results, methods, settings),
        table=tabulated(results),
        draw=lambda canvas: drawn(canvas, results, methods, settings),
    )


def estimators_chart(results: Sequence[MethodResult]) -> Chart | None:
    """As `methods_chart`, for the estimators of this package; None without results."""
    chart = methods_chart(results)
    if chart is None:
        return None
    reading = (
        "Each point is the score of the best setting of one estimator on the tuning split, with "
        "its 95 % interval; the filled one is used here. The best of many is best by luck too, so "
        "this says which to choose, not how good it is."
    )
    return replace(chart, name="estimators", title="Estimators", reading=reading)


def height(one: MethodResult) -> Rate:
    """The rate that methods are compared by: the score, or the language rate where there is none.

    Raises:
        ReportError: There is neither.
    """
    found = one.both or one.language_rate
    if found is None:
        raise ReportError(
            f"The method {one.method!r} has neither a score nor a language rate in the setting "
            f"{one.setting!r}. Give one of them, or leave the result out."
        )
    return found


def reading(results: Sequence[MethodResult]) -> str:
    """How to read the chart, saying only what is in it."""
    text = (
        "Each point is the score of one method in one setting (share of answers right in language "
        "and meaning) with its 95 % interval; intervals that do not overlap differ."
    )
    if any(one.both is None for one in results):
        text += " Where there is no key for the meaning it is the share in the right language."
    if any(one.ours for one in results):
        text += " The filled points are the method of this package."
    return text


def described(
    results: Sequence[MethodResult], methods: Sequence[str], settings: Sequence[str]
) -> str:
    """What the chart shows, in words: the best of each setting."""
    best = {
        setting: max((one for one in results if one.setting == setting), key=value)
        for setting in settings
    }
    return (
        f"Dot plot of {len(methods)} methods in {len(settings)} settings. The best: "
        + "; ".join(
            f"{setting}, {one.method} with {numbers.percent(value(one))}"
            for setting, one in best.items()
        )
        + "."
    )


def value(one: MethodResult) -> float:
    """The height of a point."""
    return height(one).value


def in_order(results: Sequence[MethodResult]) -> list[str]:
    """The methods by their mean score, the best first."""
    scores: dict[str, list[float]] = {}
    for one in results:
        scores.setdefault(one.method, []).append(value(one))
    return sorted(scores, key=lambda method: -sum(scores[method]) / len(scores[method]))


def tabulated(results: Sequence[MethodResult]) -> Table:
    """One row for each method and setting."""
    columns = [
        Column("setting", "Setting", "text"),
        Column("method", "Method", "text"),
        *rate_columns("both", "Both"),
        *rate_columns("language_rate", "Language"),
        *rate_columns("meaning", "Meaning"),
        Column("seconds", "Seconds", "real"),
    ]
    rows = [
        [
            one.setting,
            one.method,
            *rate_values(one.both),
            *rate_values(one.language_rate),
            *rate_values(one.meaning),
            one.seconds,
        ]
        for one in results
    ]
    return Table(columns, rows)


def drawn(
    canvas: Canvas,
    results: Sequence[MethodResult],
    methods: Sequence[str],
    settings: Sequence[str],
) -> Figure:
    """The panels."""
    across = 1 if canvas.narrow else min(ACROSS, len(settings))
    down = -(-len(settings) // across)
    figure = canvas.figure(down * (0.9 + 0.26 * len(methods)))
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(settings) :]:
        axes.set_visible(False)
    for axes, setting in zip(grid.flat, settings, strict=False):
        here = [one for one in results if one.setting == setting]
        panel(canvas, axes, here, methods)
        canvas.title(axes, setting)
    ours = {one.method for one in results if one.ours}
    for label in (label for axes in grid[:, 0] for label in axes.get_yticklabels()):
        label.set_color(canvas.colour("accent" if label.get_text() in ours else "quiet"))
    return figure


def panel(
    canvas: Canvas, axes: Axes, results: Sequence[MethodResult], methods: Sequence[str]
) -> None:
    """One setting."""
    canvas.style(axes)
    for one in results:
        y, rate = methods.index(one.method), height(one)
        colour = canvas.colour("accent" if one.ours else "quiet")
        axes.plot([rate.low, rate.high], [y, y], color=colour, linewidth=2, alpha=0.7)
        face = colour if one.ours else canvas.colour("paper")
        axes.plot(rate.value, y, "o", color=colour, markerfacecolor=face, markersize=6)
    axes.set_yticks(range(len(methods)), list(methods))
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.tick_params(axis="x", labelbottom=True)


FIGURE = ReportFigure(
    "methods",
    "Comparison of methods",
    lambda report: [methods_chart(report.methods), estimators_chart(report.estimators)],
    expected=False,
)
