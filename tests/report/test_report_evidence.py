"""What a report shows of tuning is what the operating point carries, also in a saved space."""

from dataclasses import asdict, replace

import pytest

from langsteer.evaluation.aggregate import Rate
from langsteer.report.evidence import estimators_of, gaps_of, layers_of, surface_of
from langsteer.report.figures.gap import gap_chart
from langsteer.space.space import OperatingPoint

RATE = Rate(0.5, 0.25, 0.75, 12)


def trial(
    layer, strength, *, scope="all", estimator="difference", objective=0.5, cases=12, **rates
):
    rates = rates or {"language_rate": RATE, "meaning": RATE, "both": RATE}
    return {
        "layers": [layer],
        "strength": strength,
        "scope": scope,
        "estimator": estimator,
        "objective": objective,
        "cases": cases,
        "rates": {name: asdict(rate) for name, rate in rates.items()},
    }


TRIALS = [
    trial(2, 1.0, objective=0.9, cases=40),
    trial(1, 1.0, language_rate=Rate(0.1, 0.0, 0.2, 12)),
    trial(2, 1.41, objective=0.7),
    trial(2, 1.0, scope="generated", objective=0.99, cases=50),
    trial(2, 1.0, estimator="lda", objective=0.95, cases=12),
    trial(1, 1.0, estimator="lda", objective=0.6, cases=40, both=RATE, language_rate=RATE),
    {**trial(0, 1.0), "layers": [0, 1]},
]
POINT = OperatingPoint((2,), 1.0, "all", "difference", evidence={"trials": TRIALS})


def test_surface_is_every_trial_like_the_point():
    found = [(one.layer, one.strength, one.score, one.prompts) for one in surface_of(POINT)]
    assert found == [(1, 1.0, 0.5, 12), (2, 1.0, 0.9, 40), (2, 1.41, 0.7, 12)]
    (other,) = surface_of(replace(POINT, scope="generated"))
    assert (other.layer, other.score) == (2, 0.99)


def test_layers_are_those_tried_at_strength_one_with_their_intervals():
    first, second = layers_of(POINT)
    assert (first.layer, first.language_rate) == (1, Rate(0.1, 0.0, 0.2, 12))
    assert (first.meaning, first.both) == (None, None)
    assert (second.layer, second.meaning, second.both) == (2, RATE, RATE)


def test_what_forcing_ranked_is_shown_by_layer_as_far_as_it_is_like_the_point():
    ranked = [
        {**trial(layer, strength, scope=scope), "recovered": recovered}
        for layer, strength, scope, recovered in (
            (3, 1.0, "all", 0.9), (1, 1.0, "all", 0.2), (3, 1.4, "all", 0.95),
            (2, 1.0, "prompt", 0.4),
        )
    ]  # fmt: skip
    gaps = gaps_of(replace(POINT, evidence={"ranked": ranked}))
    assert [(one.layer, one.recovered) for one in gaps] == [(1, 0.2), (3, 0.9)]
    assert gap_chart(gaps, POINT) is not None
    assert gap_chart(gaps[:1], POINT) is None
    assert gaps_of(POINT) == []


def test_estimators_are_compared_where_they_were_asked_most():
    found = {one.method: one for one in estimators_of(POINT)}
    assert found.keys() == {"difference", "lda"}
    assert found["difference"].ours
    assert not found["lda"].ours
    # High by luck on few prompts does not count: the trial at layer 1 was asked more.
    assert found["lda"].meaning is None
    alone = [one for one in TRIALS if one["estimator"] == "difference"]
    assert estimators_of(replace(POINT, evidence={"trials": alone})) == []


@pytest.mark.parametrize("show", [surface_of, layers_of, estimators_of])
def test_a_point_that_was_not_tuned_has_nothing_to_show(show):
    assert show(OperatingPoint((2,))) == []
