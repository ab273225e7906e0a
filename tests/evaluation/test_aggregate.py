"""Intervals: they cover what they should, and outcomes of one cluster count as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langsteer.errors import LangsteerError
from langsteer.evaluation.aggregate import Weighting, combined_rate, harmonic_mean, rate


def test_the_value_is_the_weighted_mean() -> None:
    found = rate([1, 0, 1], Weighting.balanced(["a", "b", "a"], range(3)))
    assert found.value == pytest.approx(0.5)
    assert found.n == 3


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    truth, hits, runs = 0.7, 0, 150
    for run in range(runs):
        found = rate((generator.random(120) < truth).astype(float).tolist(), seed=run)
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / runs <= 0.99


def test_copies_within_a_cluster_add_no_certainty() -> None:
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    once = rate(values, Weighting.plain(6, range(6)))
    copied = rate(values * 10, Weighting.plain(60, list(range(6)) * 10))
    naive = rate(values * 10)
    assert copied.high - copied.low == pytest.approx(once.high - once.low)
    assert naive.high - naive.low < 0.6 * (copied.high - copied.low)


def test_unanimous_outcomes_do_not_claim_certainty() -> None:
    found = rate([1.0] * 20)
    assert found.value == found.high == 1.0
    # The bound of Clopper and Pearson: with a rate of `low`, 20 of 20 happens in 2.5 % of cases.
    assert found.low**20 == pytest.approx(0.025)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=30))
def test_intervals_are_ordered_and_inside_the_unit_interval(values: list[float]) -> None:
    found = rate(values)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_no_outcomes_are_an_error() -> None:
    with pytest.raises(LangsteerError, match="no outcomes"):
        rate([])


def test_harmonic_mean_punishes_the_smaller_one_and_is_zero_at_zero() -> None:
    found = harmonic_mean(np.array([1.0, 0.0, 0.5]), np.array([0.0, 0.0, 1.0]))
    assert found == pytest.approx([0, 0, 2 / 3])


def test_a_combination_is_drawn_jointly() -> None:
    # a + (1 - a) is constant; separate draws would give it an interval.
    values = np.array([0.0, 1.0] * 10)
    columns = np.stack([values, 1 - values], 1)
    found = combined_rate(columns, lambda means: means.sum(1) / 2)
    assert found.value == found.low == found.high == pytest.approx(0.5)


def test_pairs_weigh_the_same_and_within_them_their_parts() -> None:
    pairs, parts = ["a"] * 5 + ["b"] * 2, ["x", "x", "x", "y", "y", "x", "x"]
    weights = Weighting.balanced(pairs, range(7), parts).weights
    assert weights[:5].sum() == pytest.approx(weights[5:].sum())
    assert weights[:3].sum() == pytest.approx(weights[3:5].sum())


def test_what_each_outcome_counts_in_each_draw_is_the_draw_of_its_cluster() -> None:
    weighting = Weighting.balanced(["a", "a", "b"], ["k", "l", "k"])
    drawn = weighting.drawn(seed=4)
    assert drawn[0].tolist() == [0.5, 0.5, 1.0]
    assert (drawn[1:] == weighting.draws(seed=4)[:, [0, 1, 0]] * weighting.weights).all()
    assert (weighting.draws().sum(1) == 2).all()
