"""The figure of the target languages: the worst comes first, and its table holds every number."""

import pytest

from langsteer.evaluation.aggregate import Rate
from langsteer.evaluation.summary import Scores
from langsteer.report.colours import LIGHT
from langsteer.report.drawing import Canvas
from langsteer.report.figures.targets import targets_chart

FOUND = {
    "de": Scores(Rate(0.9, 0.8, 0.95, 40), Rate(0.7, 0.6, 0.8, 30), None, None, 40, 3),
    "ja": Scores(Rate(0.4, 0.3, 0.5, 40), None, None, None, 40, 3),
    "sw": Scores(Rate(1.0, 0.97, 1.0, 40), Rate(0.9, 0.8, 1.0, 30), None, None, 40, 3),
}


def test_the_worst_language_is_first_and_named():
    chart = targets_chart(FOUND)
    (axes,) = chart.draw(Canvas(LIGHT)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ja", "de", "sw"]
    assert axes.yaxis_inverted()
    assert "ja with 40.0" in chart.alt.replace("\N{NO-BREAK SPACE}", " ")


def test_intervals_are_drawn_whole_and_missing_meanings_left_out():
    (axes,) = targets_chart(FOUND).draw(Canvas(LIGHT)).axes
    drawn = [segment[:, 0].tolist() for one in axes.collections for segment in one.get_segments()]
    assert drawn == [[0.3, 0.5], [0.8, 0.95], [0.97, 1.0], [0.6, 0.8], [0.8, 1.0]]
    low, high = axes.get_xlim()
    assert low < 0.3
    assert high > 1


def test_the_table_has_a_row_for_each_language():
    rows = {row[0]: row[1:] for row in targets_chart(FOUND).table.rows}
    assert rows["de"][:8] == [0.9, 0.8, 0.95, 40, 0.7, 0.6, 0.8, 30]
    assert rows["ja"][4:8] == [None] * 4
    assert list(rows) == ["de", "ja", "sw"]


@pytest.mark.parametrize("narrow", [True, False])
def test_a_language_alone_can_be_drawn(narrow):
    assert targets_chart({"de": FOUND["de"]}).draw(Canvas(LIGHT, narrow=narrow)).axes


def test_without_languages_there_is_no_chart():
    assert targets_chart({}) is None
