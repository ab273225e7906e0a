"""A map of the languages: their means in the plane of the two widest directions."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from langsteer.report import numbers
from langsteer.report.colours import GROUPS
from langsteer.report.data import LanguageMap, LanguagePoint
from langsteer.report.drawing import Canvas, Chart
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.tables import Column, Table

MARKERS = ("o", "s", "^", "D", "v", "P")
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Where a label may stand beside its point (across, up), the best side first."""
SHAPE = 1.3
"""Width of the map over its height."""
REACH = 8.0
"""Distance of a label from its point, in points."""


def language_map_chart(languages: LanguageMap) -> Chart | None:
    """The languages as points; None without any."""
    if not languages.points:
        return None
    where = "" if languages.layer is None else f" of layer {languages.layer}"
    groups = groups_of(languages.points)
    kinds = f" Colour and shape stand for {len(groups)} groups." if len(groups) > 1 else ""
    return Chart(
        name="language_map",
        title="Map of the languages",
        reading=f"Each point is the mean latent{where} of one language, each coordinate in units "
        f"of its standard deviation within languages, seen along the two directions in which "
        f"languages differ most; near points are similar.{kinds}",
        alt=f"Scatter plot of {len(languages.points)} languages: "
        + "; ".join(f"{group or 'all'}: {', '.join(tags)}" for group, tags in groups.items())
        + ".",
        table=tabulated(languages.points),
        draw=lambda canvas: drawn(canvas, languages),
    )


def groups_of(points: Sequence[LanguagePoint]) -> dict[str, list[str]]:
    """Group → its languages, the largest group first."""
    groups: dict[str, list[str]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point.language)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def tabulated(points: Sequence[LanguagePoint]) -> Table:
    """One row for each language."""
    columns = [
        Column("language", "Language", "text"),
        Column("group", "Group", "text"),
        Column("x", "Component 1", "real"),
        Column("y", "Component 2", "real"),
    ]
    return Table(columns, [[point.language, point.group, point.x, point.y] for point in points])


def drawn(canvas: Canvas, languages: LanguageMap) -> Figure:
    """The map, both axes in the same scale."""
    figure = canvas.figure(3.5 if canvas.narrow else 5.2, most=6.6)
    axes = canvas.axes(figure)
    axes.grid(visible=True, axis="both", color=canvas.colour("line"), linewidth=0.8)
    groups = list(groups_of(languages.points))
    for index, group in enumerate(groups):
        members = [point for point in languages.points if point.group == group]
        axes.scatter(
            [point.x for point in members],
            [point.y for point in members],
            color=canvas.colour(GROUPS[index % len(GROUPS)]),
            marker=MARKERS[index % len(MARKERS)],
            s=42,
            linewidth=0,
            label=group,
            zorder=3,
        )
    frame(axes, languages.points)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(labelsize=canvas.font_size - 1)
    first, second = languages.variance or (None, None)
    canvas.label(axes, x=axis_title("component 1", first), y=axis_title("component 2", second))
    if len(groups) > 1:
        canvas.legend(figure, axes, columns=4 if len(groups) == 4 else 3)
    name_points(canvas, figure, axes, languages.points)
    return figure


def frame(axes: Axes, points: Sequence[LanguagePoint]) -> None:
    """Limits about the points in one scale for both axes, with room for their labels."""
    middle, reach = [], 0.0
    for values, share in (([one.x for one in points], SHAPE), ([one.y for one in points], 1.0)):
        middle.append((min(values) + max(values)) / 2)
        reach = max(reach, 0.6 * (max(values) - min(values)) / share)
    reach = reach or 1.0
    axes.set_xlim(middle[0] - SHAPE * reach, middle[0] + SHAPE * reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)
    axes.set_aspect("equal")


def axis_title(name: str, share: float | None) -> str:
    """The name of an axis with its share of the variance, where known."""
    return name if share is None else f"{name} ({numbers.percent(share)} of variance)"


def name_points(
    canvas: Canvas, figure: Figure, axes: Axes, points: Sequence[LanguagePoint]
) -> None:
    """Writes each tag beside its point, at the side where it covers least."""
    figure.draw_without_rendering()
    spots = [axes.transData.transform((point.x, point.y)) * 72 / figure.dpi for point in points]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in spots]
    for (x, y), point in zip(spots, points, strict=True):
        boxes = [label_box(x, y, point.language, side, canvas.font_size) for side in SIDES]
        best = min(range(len(SIDES)), key=lambda index: covered(boxes[index], taken))
        taken.append(boxes[best])
        across, up = SIDES[best]
        axes.annotate(
            point.language,
            (point.x, point.y),
            xytext=(REACH * across, REACH * up),
            textcoords="offset points",
            ha=("center", "left", "right")[across],
            va="center_baseline",
            color=canvas.colour("ink"),
            fontsize=canvas.font_size,
            zorder=4,
        )


def label_box(x: float, y: float, label: str, side: tuple[int, int], size: float) -> Bbox:
    """The room that a label takes at one side of the spot (x, y), all in points."""
    wide, high = 0.65 * len(label) * size, 1.1 * size
    across, up = side
    left = x + REACH * across - wide * (1 - across) / 2
    return Bbox.from_bounds(left, y + REACH * up - high / 2, wide, high)


def covered(box: Bbox, others: Sequence[Bbox]) -> float:
    """The area of a box that others cover, in square points."""
    shared = (Bbox.intersection(box, other) for other in others)
    return sum(one.width * one.height for one in shared if one is not None)


FIGURE = ReportFigure(
    "map",
    "Map of the languages",
    lambda report: [language_map_chart(report.language_map)],
    background=True,
)
