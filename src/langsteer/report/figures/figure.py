"""What a figure of the page is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langsteer.report.data import Report
from langsteer.report.drawing import Chart


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A section of the page that is drawn, with everything about it.

    `name` is the section's address on the page and `title` its heading. `draw` makes charts of a
    report, each with its reading, its table and its own file name; what cannot be drawn from that
    report is None. A figure without any chart is left out, and named as missing if `expected`. One
    that is `background` to the results stands after all answers.
    """

    name: str
    title: str
    draw: Callable[[Report], Sequence[Chart | None]]
    expected: bool = True
    background: bool = False

    def charts(self, report: Report) -> list[Chart]:
        """The charts that can be drawn from a report."""
        return [chart for chart in self.draw(report) if chart is not None]
