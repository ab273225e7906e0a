"""The canvas that figures are drawn on, and how a drawing becomes SVG for the page and a PNG file.

A figure is drawn up to three times from the same code: wide and narrow as SVG whose colours are
custom properties of the page (light and dark need but one drawing), and once as PNG in light.
The words in a figure are set in the page's own font; apart from them there are only language tags,
so that no font for any script is needed.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, MaxNLocator

from langsteer.report.colours import LIGHT, MARKS, Colours, with_variables
from langsteer.report.tables import Table

WIDE = 8.6
NARROW = 3.45
"""Widths in inches of 96 pixels: a column on a desk, the inside of a phone of 360 pixels."""
PNG_DPI = 200
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Canvas:
    """Where a figure is drawn: its colours, and whether there is room for only the narrow form."""

    colours: Colours
    narrow: bool = False

    @property
    def width(self) -> float:
        """The width in inches."""
        return NARROW if self.narrow else WIDE

    @property
    def font_size(self) -> float:
        """The size of the words in points."""
        return 9.0 if self.narrow else 10.0

    def colour(self, role: str) -> str:
        """The colour of a role."""
        return self.colours[role]

    def figure(self, height: float, most: float = WIDE) -> Figure:
        """An empty figure of a height, and `most` the width that it can use, in inches."""
        figure = Figure(figsize=(min(self.width, most), height))
        figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06, wspace=0.05, hspace=0.08)
        return figure

    def axes(self, figure: Figure) -> Axes:
        """The only axes of a figure, in the style of the report."""
        axes = figure.add_subplot()
        self.style(axes)
        return axes

    def style(self, axes: Axes) -> None:
        """Quiet axes: horizontal guides, no box, words in the quiet colour."""
        axes.set_axisbelow(True)
        axes.grid(visible=True, axis="y", color=self.colour("line"), linewidth=0.8)
        axes.tick_params(length=0, colors=self.colour("quiet"), labelsize=self.font_size, pad=6)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(self.colour("pale"))

    def label(self, axes: Axes, *, x: str = "", y: str = "") -> None:
        """Names the axes."""
        axes.set_xlabel(x, color=self.colour("quiet"), fontsize=self.font_size, labelpad=6)
        axes.set_ylabel(y, color=self.colour("quiet"), fontsize=self.font_size, labelpad=6)

    def title(self, axes: Axes, text: str) -> None:
        """A small title at the left over one of several panels."""
        axes.set_title(text, color=self.colour("ink"), fontsize=self.font_size, loc="left", pad=10)

    def legend(self, figure: Figure, axes: Axes, columns: int) -> Legend:
        """A legend over the axes, on one line where there is room for it."""
        handles, labels = axes.get_legend_handles_labels()
        return figure.legend(
            handles,
            labels,
            loc="outside upper left",
            ncols=min(2, columns) if self.narrow else columns,
            frameon=False,
            fontsize=self.font_size,
            labelcolor=self.colour("ink"),
            handlelength=2.2,
            columnspacing=1.6,
            borderaxespad=0,
        )


@dataclass(frozen=True)
class Chart:
    """One figure: its words, its values, and how it is drawn.

    `name` is the stem of its files; `reading` says in one sentence how to read it; `alt` says what
    it shows. A chart with `scrolls` has one form only and scrolls sideways where it is too wide.
    """

    name: str
    title: str
    reading: str
    alt: str
    table: Table
    draw: Callable[[Canvas], Figure]
    scrolls: bool = False


def layer_axis(axes: Axes, layers: list[int]) -> None:
    """Whole layers on the horizontal axis, with a little room on both sides."""
    room = max(0.35, 0.02 * (max(layers) - min(layers)))
    axes.set_xlim(min(layers) - room, max(layers) + room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))


def percent_axis(axes: Axes) -> None:
    """Fractions from 0 to 1 on the vertical axis, written as percentages."""
    axes.set_ylim(-0.02, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


def svg(chart: Chart, *, narrow: bool) -> str:
    """The drawing as an SVG element for the inside of an HTML page.

    It has no prolog, no metadata and no address in it, and its ids begin with the chart's name.
    """
    text = io.StringIO()
    canvas = Canvas(MARKS, narrow=narrow)
    with settings(chart, canvas):
        figure = chart.draw(canvas)
        figure.savefig(text, format="svg", transparent=True, metadata=NO_METADATA)
    return embedded(text.getvalue(), f"{chart.name}-{'narrow' if narrow else 'wide'}")


def png(chart: Chart) -> bytes:
    """The wide drawing in light colours."""
    data = io.BytesIO()
    canvas = Canvas(LIGHT)
    with settings(chart, canvas):
        figure = chart.draw(canvas)
        figure.savefig(data, format="png", dpi=PNG_DPI, facecolor=LIGHT["paper"])
    return data.getvalue()


@contextmanager
def settings(chart: Chart, canvas: Canvas) -> Iterator[None]:
    """The plotting library with its own defaults, whatever a user has set, and with ours."""
    with rc_context():
        rcdefaults()
        rcParams["font.sans-serif"] = ["DejaVu Sans"]
        rcParams["font.size"] = canvas.font_size
        rcParams["text.parse_math"] = False
        rcParams["svg.fonttype"] = "none"
        rcParams["svg.hashsalt"] = chart.name
        yield


def embedded(document: str, prefix: str) -> str:
    """An SVG document made into an element that can stand beside others on a page."""
    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", element, flags=re.DOTALL)
    element = re.sub(r' xmlns(:xlink)?="[^"]*"', "", element)
    element = re.sub(r'\bid="', f'id="{prefix}-', element)
    element = re.sub(r'href="#|url\(#', lambda found: f"{found[0]}{prefix}-", element)
    element = re.sub(r'width="([\d.]+)pt" height="[\d.]+pt"', in_pixels, element)
    return re.sub(r"\s*\n\s*", " ", with_variables(element))


def in_pixels(size: re.Match[str]) -> str:
    """The width of an SVG element as a style: as wide as its column, up to its natural width."""
    return f'aria-hidden="true" style="--natural: {float(size[1]) * 96 / 72:.0f}px"'
