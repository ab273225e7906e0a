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
MOST_WITH_TEXT = 20
"""From more columns than this the cells are small and have no text in them."""
MOST_NARROW = 12
"""With more columns than this a matrix does not fit on a phone."""
SMALLEST = 10
"""Columns that there is always room for, so that titles and scale fit."""
GAP = 0.06


@dataclass(frozen=True)
class Matrix:
    """Shares by row and column label; a cell that was not measured is absent."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[tuple[str, str], float]
    row_title: str
    column_title: str
    steps: Sequence[float] = HIGH_STEPS
    framed: Collection[tuple[str, str]] = ()

    @property
    def small(self) -> bool:
        """Whether there are too many columns for text."""
        return len(self.columns) > MOST_WITH_TEXT

    @property
    def upright(self) -> bool:
        """Whether the labels of columns are too long to lie flat."""
        return self.small or longest(self.columns) > 4

    @property
    def scrolls(self) -> bool:
        """Whether it is too wide for a phone."""
        return len(self.columns) > MOST_NARROW

    def draw(self, canvas: Canvas) -> Figure:
        """The matrix with its scale of colours below; sizes in inches."""
        cell = 0.28 if self.small else 0.245 if canvas.narrow else 0.44
        letter = 0.068 if self.small else 0.085
        left = 0.31 + letter * longest(self.rows)
        top = 0.35 + (letter * longest(self.columns) if self.upright else 0.17)
        bottom = 0.62
        across, down = cell * max(len(self.columns), SMALLEST), cell * len(self.rows)
        width, height = left + across + 0.08, top + down + bottom
        figure = Figure(figsize=(width, height))
        body = (left / width, bottom / height, cell * len(self.columns) / width, down / height)
        self.cells(canvas, figure.add_axes(body))
        step = 0.33 if canvas.narrow else 0.44
        strip = (left / width, 0.25 / height, step * HEAT_CLASSES / width, 0.16 / height)
        self.scale(canvas, figure.add_axes(strip))
        return figure

    def cells(self, canvas: Canvas, axes: Axes) -> None:
        """Draws every cell that was measured, and the labels around them."""
        across = {label: x for x, label in enumerate(self.columns)}
        down = {label: y for y, label in enumerate(self.rows)}
        squares: dict[str, list[Rectangle]] = {}
        for (row, column), value in self.values.items():
            role = f"heat_{sum(value >= bound for bound in self.steps)}"
            x, y = across[column], down[row]
            squares.setdefault(role, []).append(square(x, y))
            if not self.small:
                ink = canvas.colour(f"{role}_ink")
                text = numbers.bare_percent(value, digits=0)
                size = 7 if canvas.narrow else 8.5
                axes.text(x, y, text, ha="center", va="center_baseline", fontsize=size, color=ink)
        fill(canvas, axes, squares)
        for row, column in self.framed:
            if row in down and column in across:
                axes.add_patch(frame(across[column], down[row], canvas.colour("second")))
        axes.set_xlim(-0.5, len(self.columns) - 0.5)
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        self.label(canvas, axes)

    def label(self, canvas: Canvas, axes: Axes) -> None:
        """The labels of columns on top, of rows at the left, and what they are."""
        axes.set_xticks(range(len(self.columns)), list(self.columns))
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
