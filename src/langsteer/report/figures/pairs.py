"""Source × target: which ordered pairs work."""

from collections.abc import Sequence

from langsteer.evaluation.summary import PairScores
from langsteer.report import numbers
from langsteer.report.drawing import Chart
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.figures.matrix import Matrix
from langsteer.report.tables import Column, Table


def pairs_charts(pairs: Sequence[PairScores]) -> list[Chart]:
    """A matrix of language rates and, where meaning was measured, one of meaning."""
    language = {(pair.source, pair.target): pair.language_rate for pair in pairs}
    meaning = {
        (pair.source, pair.target): pair.meaning for pair in pairs if pair.meaning is not None
    }
    charts = []
    if language:
        charts.append(pair_chart("pairs_language", "Right language by pair", language, pairs))
    if meaning:
        charts.append(pair_chart("pairs_meaning", "Right meaning by pair", meaning, pairs))
    return charts


def pair_chart(
    name: str,
    title: str,
    values: dict[tuple[str, str], float],
    pairs: Sequence[PairScores],
) -> Chart:
    """One matrix; both have the same table."""
    languages = sorted({tag for pair in values for tag in pair})
    worst = min(values, key=lambda pair: values[pair])
    matrix = Matrix(languages, languages, values, row_title="from", column_title="to")
    return Chart(
        name=name,
        title=title,
        reading="Rows are the language of the prompt, columns the language steered to; each cell "
        "is the percentage of answers that are right, and the stronger its colour, the better.",
        alt=f"Matrix of {len(values)} ordered pairs of {len(languages)} languages. "
        f"The lowest is {worst[0]} to {worst[1]} with {numbers.percent(values[worst])}.",
        table=tabulated(pairs),
        draw=matrix.draw,
        scrolls=matrix.scrolls,
    )


def tabulated(pairs: Sequence[PairScores]) -> Table:
    """One row for each pair."""
    columns = [
        Column("source", "From", "text"),
        Column("target", "To", "text"),
        Column("language_rate", "Language", "rate"),
        Column("meaning", "Meaning", "rate"),
        Column("n", "n", "count"),
    ]
    rows = [
        [pair.source, pair.target, pair.language_rate, pair.meaning, pair.n]
        for pair in sorted(pairs, key=lambda pair: (pair.source, pair.target))
    ]
    return Table(columns, rows)


FIGURE = ReportFigure("pairs", "Every pair of languages", lambda report: pairs_charts(report.pairs))
