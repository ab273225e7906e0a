"""A matrix of shares as coloured cells with the percentage written inside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from langsteer.report import numbers
from langsteer.report.colours import HEAT_CLASSES
from langsteer.report.drawing import Canvas

HIGH_STEPS = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Bounds of the colour classes where nearly everything is near 100 %."""
LOW_STEPS = (0.005, 0.02, 0.05, 0.2, 0.5, 0.9)
"""Bounds of the colour classes where the small shares are what matters."""
MOST_LARGE = 20
"""With more columns than this the cells are small."""
MOST_WITH_TEXT = 400
"""With more values than this the cells have no text in them."""
MOST_NARROW = 14
"""With more columns than this a matrix does not fit on a phone."""
RIGHT = 0.08
"""Room at the right in inches."""
SMALLEST = 10
"""Columns that there is always room for, so that titles and scale fit."""
GAP = 0.06
"""Between two cells, in cells."""
APART = 0.5
"""Before the columns that are set apart, in cells."""
LARGE = 0.44
SMALL = (0.17, 0.28)
WIDEST_NARROW = 0.245
"""The side of a large cell, the least and the most of a small one, and the most on a phone, where
there is room; in inches.
"""


@dataclass(frozen=True)
class Matrix:
    """Shares by row and column label; a cell that was not measured is absent.

    The last `apart` columns stand at a distance from the others. With `zeros` an absent cell is a
    share of 0, and has a place that can be seen.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[tuple[str, str], float]
    row_title: str
    column_title: str
    steps: Sequence[float] = HIGH_STEPS
    framed: Collection[tuple[str, str]] = ()
    apart: int = 0
    zeros: bool = False

    @property
    def small(self) -> bool:
        """Whether there are too many columns for large cells."""
        return len(self.columns) > MOST_LARGE

    @property
    def upright(self) -> bool:
        """Whether the labels of columns are too long to lie flat."""
        return self.small or longest(self.columns) > 4

    @property
    def scrolls(self) -> bool:
        """Whether it is too wide for a phone."""
        return len(self.columns) > MOST_NARROW

    @property
    def across(self) -> dict[str, float]:
        """Where each column stands, in cells."""
        first = len(self.columns) - self.apart
        return {label: x + (APART if x >= first else 0) for x, label in enumerate(self.columns)}

    @property
    def extent(self) -> float:
        """The width of all columns, in cells."""
        return len(self.columns) + (APART if self.apart else 0)

    def side(self, canvas: Canvas, left: float) -> float:
        """The side of a cell in inches, given the room that is taken at the left."""
        fitting = (canvas.width - left - RIGHT) / self.extent
        if self.small:
            return max(SMALL[0], min(SMALL[1], fitting))
        return min(WIDEST_NARROW if canvas.narrow else LARGE, fitting)

    def draw(self, canvas: Canvas) -> Figure:
        """The matrix with its scale of colours below; sizes in inches."""
        letter = 0.068 if self.small else 0.085
        left = 0.31 + letter * longest(self.rows)
        cell = self.side(canvas, left)
        top = 0.35 + (letter * longest(self.columns) if self.upright else 0.17)
        bottom = 0.62
        across, down = cell * max(self.extent, SMALLEST), cell * len(self.rows)
        width, height = left + across + RIGHT, top + down + bottom
        figure = Figure(figsize=(width, height))
        body = (left / width, bottom / height, cell * self.extent / width, down / height)
        self.cells(canvas, figure.add_axes(body))
        step = 0.33 if canvas.narrow else 0.44
        strip = (left / width, 0.25 / height, step * HEAT_CLASSES / width, 0.16 / height)
        self.scale(canvas, figure.add_axes(strip))
        return figure

    def cells(self, canvas: Canvas, axes: Axes) -> None:
        """Draws every cell that was measured, and the labels around them."""
        across = self.across
        down = {label: y for y, label in enumerate(self.rows)}
        squares: dict[str, list[Rectangle]] = {}
        if self.zeros:
            empty = [
                (x, y)
                for row, y in down.items()
                for column, x in across.items()
                if (row, column) not in self.values
            ]
            squares["panel"] = [square(x, y) for x, y in empty]
        for (row, column), value in self.values.items():
            role = f"heat_{sum(value >= bound for bound in self.steps)}"
            x, y = across[column], down[row]
            squares.setdefault(role, []).append(square(x, y))
            if len(self.values) <= MOST_WITH_TEXT:
                ink = canvas.colour(f"{role}_ink")
                text = numbers.bare_percent(value, digits=0)
                size = 6.5 if canvas.narrow or self.small else 8.5
                axes.text(x, y, text, ha="center", va="center_baseline", fontsize=size, color=ink)
        fill(canvas, axes, squares)
        for row, column in self.framed:
            if row in down and column in across:
                axes.add_patch(frame(across[column], down[row], canvas.colour("second")))
        axes.set_xlim(-0.5, self.extent - 0.5)
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        self.label(canvas, axes)

    def label(self, canvas: Canvas, axes: Axes) -> None:
        """The labels of columns on top, of rows at the left, and what they are."""
        axes.set_xticks(list(self.across.values()), list(self.columns))
        axes.set_yticks(range(len(self.rows)), list(self.rows))
        axes.xaxis.set_ticks_position("top")
        axes.xaxis.set_label_position("top")
        size = 8 if self.small or canvas.narrow else 9.5
        axes.tick_params(length=0, colors=canvas.colour("ink"), labelsize=size, pad=3)
        axes.tick_params(axis="x", rotation=90 if self.upright else 0)
        axes.spines[:].set_visible(False)
        canvas.label(axes, x=self.column_title, y=self.row_title)
        axes.xaxis.label.set(horizontalalignment="left", x=0)
        axes.yaxis.label.set(horizontalalignment="right", y=1)

    def scale(self, canvas: Canvas, axes: Axes) -> None:
        """The classes of colour side by side, with the bounds between them."""
        fill(canvas, axes, {f"heat_{level}": [square(level, 0)] for level in range(HEAT_CLASSES)})
        axes.set_xlim(-0.5, HEAT_CLASSES - 0.5)
        axes.set_ylim(-0.5, 0.5)
        axes.set_yticks([])
        axes.set_xticks(
            [level + 0.5 for level in range(HEAT_CLASSES - 1)],
            [f"{100 * bound:g}" for bound in self.steps],
        )
        axes.tick_params(length=0, colors=canvas.colour("quiet"), labelsize=8.5, pad=2)
        axes.text(HEAT_CLASSES - 0.4, 0, "%", color=canvas.colour("quiet"), va="center_baseline")
        axes.spines[:].set_visible(False)


def fill(canvas: Canvas, axes: Axes, squares: Mapping[str, Sequence[Rectangle]]) -> None:
    """Draws squares in the colours of their roles; all of one role together, which is quicker."""
    for role, members in squares.items():
        collection = PatchCollection(members, facecolor=canvas.colour(role), linewidth=0)
        axes.add_collection(collection, autolim=False)


def square(x: float, y: float) -> Rectangle:
    """A cell about its centre."""
    side = 1 - GAP
    return Rectangle((x - side / 2, y - side / 2), side, side)


def frame(x: float, y: float, colour: str) -> Rectangle:
    """A frame about a cell."""
    return Rectangle(
        (x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=colour, linewidth=2.2, zorder=3
    )


def longest(labels: Sequence[str]) -> int:
    """The number of letters of the longest label."""
    return max((len(label) for label in labels), default=0)
