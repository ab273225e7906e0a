"""The figure: the mean of the hard settings beside the easy one, and every setting as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from measure import Result
from scores import mean_score, score
from settings import EASY, SETTINGS

from langsteer.evaluation.aggregate import Rate
from langsteer.report.colours import HEAT_CLASSES, LIGHT

WIDTH = 13.0
ROW = 0.42
FONT = 10.0
DPI = 120


def save(table: Mapping[str, Mapping[str, Result]], path: Path) -> None:
    """Draws the results of all methods and writes a PNG file."""
    with rc_context():
        rcParams.update({"font.size": FONT, "text.parse_math": False})
        figure = Figure(figsize=(WIDTH, 2.2 + ROW * len(table)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.9))
        dots(left, table)
        matrix(right, table)
        figure.savefig(path, facecolor=LIGHT["paper"], dpi=DPI)


def dots(axes: Axes, table: Mapping[str, Mapping[str, Result]]) -> None:
    """One line per method: the easy setting and the mean of the hard ones."""
    for y, found in enumerate(table.values()):
        hard = mean_score([one for name, one in found.items() if name != EASY])
        colour = LIGHT["accent"] if y == 0 else LIGHT["ink"]
        point(axes, score(found[EASY]), y - 0.14, LIGHT["quiet"], filled=False)
        point(axes, hard, y + 0.14, colour, filled=True)
    best = mean_score([one for name, one in next(iter(table.values())).items() if name != EASY])
    axes.set_facecolor(LIGHT["paper"])
    axes.axvspan(100 * best.low, 100 * best.high, color=LIGHT["accent_soft"], zorder=0)
    axes.set_yticks(range(len(table)), list(table))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("score, %: ○ easy   ● mean of the hard settings")
    axes.tick_params(length=0)
    axes.grid(axis="x", color=LIGHT["line"], linewidth=0.8)
    for side in axes.spines.values():
        side.set_visible(False)


def point(axes: Axes, rate: Rate, y: float, colour: str, *, filled: bool) -> None:
    """A score with its interval."""
    axes.plot([100 * rate.low, 100 * rate.high], [y, y], color=colour, linewidth=2, alpha=0.7)
    face = colour if filled else LIGHT["paper"]
    axes.plot(100 * rate.value, y, "o", color=colour, markerfacecolor=face, markersize=6)


def matrix(axes: Axes, table: Mapping[str, Mapping[str, Result]]) -> None:
    """One cell per method and setting, with the score in it."""
    names = [setting.name for setting in SETTINGS]
    values = [[100 * score(found[name]).value for name in names] for found in table.values()]
    colours = ListedColormap([LIGHT[f"heat_{step}"] for step in range(HEAT_CLASSES)])
    axes.imshow(values, cmap=colours, vmin=0, vmax=100, aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            step = min(HEAT_CLASSES - 1, int(value / 100 * HEAT_CLASSES))
            ink = LIGHT[f"heat_{step}_ink"]
            axes.text(x, y, f"{value:.0f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
