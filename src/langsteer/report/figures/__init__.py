"""The figures of the page: a figure is one file here, and its name in `ORDER`.

The file draws charts from a `Report` and says what they are in its `FIGURE`. The section with its
heading, its reading, the values and the downloads, its place in the contents of the page, and the
files beside the page follow from that.
"""

from importlib import import_module

from langsteer.report.figures.figure import ReportFigure

ORDER = (
    "methods",
    "gap",
    "layers",
    "surface",
    "targets",
    "pairs",
    "confusion",
    "language_map",
    "shares",
    "words",
    "uncertainty",
)
"""The files of the figures in the order of the page."""


def _figure(name: str) -> ReportFigure:
    found: ReportFigure = import_module(f"{__name__}.{name}").FIGURE
    return found


FIGURES = tuple(map(_figure, ORDER))
"""Every figure, in the order of the page."""

__all__ = ["FIGURES", "ReportFigure"]
