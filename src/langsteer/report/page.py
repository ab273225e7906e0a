"""The report as one HTML file that needs nothing else, and what is in it as files beside it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from langsteer.data.files import write_whole
from langsteer.errors import LanguageError, ReportError
from langsteer.evaluation.conditions import CONDITIONS
from langsteer.report import numbers
from langsteer.report.colours import DARK, LIGHT, declarations
from langsteer.report.data import (
    ConditionResult,
    Example,
    FamilyResult,
    MethodResult,
    MetricResult,
    Report,
)
from langsteer.report.downloads import Download, download, link
from langsteer.report.drawing import Chart, png, svg
from langsteer.report.figures import FIGURES
from langsteer.report.figures.methods import methods_chart
from langsteer.report.results import (
    answers_table,
    failures_table,
    metrics_table,
    results_table,
)
from langsteer.report.tables import HALVES, Table
from langsteer.text.tags import display_name

SHOWN_EXAMPLES = 4
"""Examples of a family that are open at once; the others are folded away."""
CONTROLS = (*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F)
NOT_SHOWABLE = dict.fromkeys(CONTROLS, "\N{REPLACEMENT CHARACTER}") | HALVES
"""What a string can hold but HTML cannot: control characters, halves of surrogate pairs."""


@dataclass(frozen=True)
class Section:
    """A section made of charts. Without any it is left out, and named as missing if `expected`."""

    anchor: str
    title: str
    charts: Sequence[Chart]
    expected: bool = True


@dataclass(frozen=True)
class ExampleGroup:
    """The examples of one family."""

    family: str
    examples: Sequence[Example]


def write_report(report: Report, folder: Path) -> Path:
    """Writes `report.html` into a folder, and `figures/NAME.png` and `.csv` for each figure.

    The page loads nothing: it holds all its figures and, inside its links, the files that can be
    downloaded from it, so that it may be sent on alone. The same files are written beside it for
    programs. Everything is drawn before anything is written, each file is written whole or not at
    all, and the page comes last.

    Returns:
        The path of the page.

    Raises:
        ReportError: the folder cannot be written to.
    """
    sections = sections_of(report)
    charts = [chart for section in sections for chart in section.charts]
    tables = {chart.name: chart.table for chart in charts} | other_tables(report)
    images = {chart.name: png(chart) for chart in charts}
    page = render(report, sections, downloads(tables, images))
    contents = {f"figures/{name}.png": image for name, image in images.items()}
    contents |= {f"figures/{name}.csv": table.data() for name, table in tables.items()}
    contents["report.html"] = page.encode()
    for name, data in contents.items():
        write_whole(folder / name, data, ReportError)
    return folder / "report.html"


def write_comparison(
    results: Sequence[MethodResult], folder: Path, name: str = "methods"
) -> tuple[Path, Path]:
    """Writes the comparison of methods alone: `NAME.png`, as in a report, and `NAME.csv`.

    Args:
        results: One record for each method and setting; settings become panels, in their order.
        folder: Where to; made if it is not there.
        name: The stem of both files.

    Returns:
        The paths of the image and of the table.

    Raises:
        ReportError: There is no result, a result has no rate, or the folder cannot be written to.
    """
    chart = methods_chart(results)
    if chart is None:
        raise ReportError("There are 0 results to compare. Give at least one MethodResult.")
    image, table = folder / f"{name}.png", folder / f"{name}.csv"
    write_whole(image, png(chart), ReportError)
    write_whole(table, chart.table.data(), ReportError)
    return image, table


def other_tables(report: Report) -> dict[str, Table]:
    """The tables that belong to no figure, by name; those without rows are left out."""
    tables = {
        "results": results_table(report.families),
        "metrics": metrics_table(report.metrics),
        "failures": failures_table(report.failures),
        "answers": answers_table(report.answers),
    }
    return {name: table for name, table in tables.items() if table.rows}


def downloads(
    tables: Mapping[str, Table], images: Mapping[str, bytes]
) -> dict[str, list[Download]]:
    """Name → the links to its image, where there is one, and to its table."""
    return {
        name: [
            *([link(f"{name}.png", "image/png", images[name])] if name in images else []),
            download(name, table),
        ]
        for name, table in tables.items()
    }


def sections_of(report: Report) -> list[Section]:
    """The sections made of charts, in the order of the page."""
    return [
        Section(figure.name, figure.title, figure.charts(report), figure.expected)
        for figure in FIGURES
    ]


def missing(report: Report, sections: Sequence[Section]) -> list[str]:
    """The titles of the sections that were expected but have nothing to show."""
    titles = [] if report.examples else ["Before and after"]
    titles += [] if report.families else ["Results and controls"]
    return titles + [one.title for one in sections if one.expected and not one.charts]


def render(
    report: Report, sections: Sequence[Section], files: Mapping[str, Sequence[Download]]
) -> str:
    """The page as a string."""
    template = environment().get_template("template.html.j2")
    page = template.render(
        report=report,
        sections={section.anchor: section for section in sections if section.charts},
        places={
            background: [one.name for one in FIGURES if one.background == background]
            for background in (False, True)
        },
        missing=missing(report, sections),
        files=files,
        style=stylesheet(),
        groups=grouped(report.examples),
        metric_conditions=list(dict.fromkeys(one.condition for one in report.metrics)),
        metric_rows=metric_rows(report.metrics),
        tiles=[family for family in report.families if condition(family, "steered")],
    )
    return page.translate(NOT_SHOWABLE)


@cache
def environment() -> Environment:
    """The template engine: everything is escaped, and an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("langsteer", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": numbers.percent,
        "bare": numbers.bare_percent,
        "interval": numbers.interval,
        "real": numbers.real,
        "count": numbers.count,
        "seconds": numbers.seconds,
        "size": numbers.size,
        "estimate": numbers.estimate,
        "estimated": numbers.estimated,
        "language": language_name,
        "joined": joined,
        "plain": numbers.plain,
        "join_layers": join_layers,
    }
    made.globals |= {
        "svg": lambda chart, narrow: Markup(svg(chart, narrow=narrow)),
        "condition": condition,
        "condition_names": {name: one.label for name, one in CONDITIONS.items()},
        "shown_examples": SHOWN_EXAMPLES,
    }
    return made


def stylesheet() -> Markup:
    """The style of the page with its two tables of colours."""
    rules = files("langsteer.report").joinpath("style.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {declarations(DARK)} }} }}"
    return Markup(f":root {{ {declarations(LIGHT)} }}\n{dark}\n{rules}")


def condition(family: FamilyResult, name: str) -> ConditionResult | None:
    """The result of a family under one condition, if there is one."""
    return next((one for one in family.conditions if one.name == name), None)


def metric_rows(metrics: Sequence[MetricResult]) -> dict[str, dict[str, MetricResult]]:
    """Metric → condition → result, in the order in which the metrics come."""
    rows: dict[str, dict[str, MetricResult]] = {}
    for one in metrics:
        rows.setdefault(one.metric, {})[one.condition] = one
    return rows


def grouped(examples: Iterable[Example]) -> list[ExampleGroup]:
    """The examples by family, families in the order in which they first appear."""
    order = {
        family: place for place, family in enumerate(dict.fromkeys(e.family for e in examples))
    }
    ranked = sorted(examples, key=lambda example: order[example.family])
    return [
        ExampleGroup(family, list(members))
        for family, members in groupby(ranked, key=lambda example: example.family)
    ]


def language_name(tag: str) -> str:
    """The English name of a language, or the tag itself where it has none."""
    try:
        return display_name(tag)
    except LanguageError:
        return tag


def joined(text: str) -> str:
    """Prose in which no line breaks between a number and its per cent sign."""
    return re.sub(r"(?<=\d) ?%", f"{numbers.SPACE}%", text)


def join_layers(layers: Sequence[int]) -> str:
    """`layer 3` or `layers 3, 4`."""
    return f"layer{'s' if len(layers) != 1 else ''} {', '.join(map(str, layers))}"
