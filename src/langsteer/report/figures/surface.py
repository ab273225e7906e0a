"""Layer × strength: the surface that tuning searched."""

from collections.abc import Sequence

from langsteer.report import numbers
from langsteer.report.data import LayerStrengthPoint
from langsteer.report.drawing import Chart
from langsteer.report.figures.figure import ReportFigure
from langsteer.report.figures.matrix import Matrix
from langsteer.report.tables import Column, Table
from langsteer.space.space import OperatingPoint


def surface_chart(
    points: Sequence[LayerStrengthPoint], chosen: OperatingPoint | None
) -> Chart | None:
    """The score as a matrix, strengths upwards and layers to the right; None without points."""
    if not points:
        return None
    best = max(points, key=lambda point: point.score)
    matrix = Matrix(
        rows=[written(one) for one in sorted({point.strength for point in points}, reverse=True)],
        columns=[str(one) for one in sorted({point.layer for point in points})],
        values={(written(point.strength), str(point.layer)): point.score for point in points},
        row_title="strength",
        column_title="layer of the edit",
        framed={(written(chosen.strength), str(layer)) for layer in chosen.layers}
        if chosen
        else (),
    )
    return Chart(
        name="surface",
        title="Score by layer and strength",
        reading=reading(points),
        alt=f"Matrix of {len(points)} settings. The best is layer {best.layer} at strength "
        f"{written(best.strength)} with {numbers.percent(best.score)}.",
        table=tabulated(points),
        draw=matrix.draw,
        scrolls=matrix.scrolls,
    )


def written(strength: float) -> str:
    """A strength as its row is called; tuning tries none that are closer than these digits."""
    return f"{strength:.4g}"


def reading(points: Sequence[LayerStrengthPoint]) -> str:
    """How to read the chart, saying only what is in it."""
    text = (
        "Each cell is the score in per cent (harmonic mean of language and meaning) of one layer "
        "and one strength on the tuning split; an empty cell was not tried, and the framed one is "
        "used here."
    )
    asked = [point.prompts for point in points if point.prompts is not None]
    if len(set(asked)) > 1:
        text += (
            f" Settings that fell behind were given up early: between {min(asked)} and "
            f"{max(asked)} prompts were asked (see the values)."
        )
    return text


def tabulated(points: Sequence[LayerStrengthPoint]) -> Table:
    """One row for each setting."""
    columns = [
        Column("layer", "Layer", "count"),
        Column("strength", "Strength", "real"),
        Column("score", "Score", "rate"),
        Column("prompts", "Prompts", "count"),
    ]
    ordered = sorted(points, key=lambda point: (point.layer, point.strength))
    return Table(
        columns,
        [[point.layer, point.strength, point.score, point.prompts] for point in ordered],
    )


FIGURE = ReportFigure(
    "surface",
    "Layer and strength",
    lambda report: [surface_chart(report.surface, report.operating_point)],
    expected=False,
)
