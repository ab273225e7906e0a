"""How rates are printed."""

import pytest

from langsteer.cli.evaluation_tables import percent
from langsteer.evaluation.aggregate import Rate


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Rate(0.5, 0.401, 0.599, 9), "50.0 [40–60]"),
        (Rate(1.0, 0.95, 1.0000000002, 9), "100.0 [95–100]"),
        (Rate(0.0, 0.0, 0.0, 9), "0.0 [0–0]"),
        (None, "–"),
    ],
)
def test_intervals_are_rounded_outwards(rate: Rate | None, expected: str) -> None:
    assert percent(rate) == expected
