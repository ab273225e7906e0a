"""What tuning maximises: one number for the answers that one configuration gets.

It is the mean over families of the harmonic mean of the share in the right language and the share
in which language and meaning are both right. A family without keys counts with its language rate
alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from langsteer.evaluation.aggregate import Floats, harmonic_mean
from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.summary import grouped


def objective(outcomes: Sequence[Outcome]) -> float:
    """The objective of one configuration."""
    return float(objectives([outcomes], np.ones((1, len(outcomes))))[0, 0])


def objectives(columns: Sequence[Sequence[Outcome]], weights: Floats) -> Floats:
    """`[configurations, draws]`: the objective of each configuration, each time weighed otherwise.

    Args:
        columns: for each configuration its outcomes on the same cases in the same order.
        weights: `[draws, cases]`, what each case counts.
    """
    language, both = (_table(columns, name) for name in ("language_right", "both"))
    places = grouped(enumerate(columns[0]), lambda one: one[1].case.prompt.family)
    total, count = np.zeros((len(columns), len(weights))), np.zeros(len(weights))
    for found in places.values():
        rows = [row for row, _ in found]
        score, there = _family(language[:, rows], both[:, rows], weights[:, rows])
        total += score
        count += there
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def _family(language: Floats, both: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """What a family adds `[configurations, draws]`, and in which draws `[draws]` it occurs."""
    keyed = ~np.isnan(both[0])
    rate, there = _means(language, weights)
    if not keyed.any():
        return rate, there
    right, with_key = _means(np.nan_to_num(both), weights * keyed)
    return np.where(with_key > 0, harmonic_mean(rate, right), rate) * there, there


def _means(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    mass = weights.sum(1)
    sums = values @ weights.T
    return np.divide(sums, mass, out=np.zeros_like(sums), where=mass > 0), (mass > 0) * 1.0


def _table(columns: Sequence[Sequence[Outcome]], name: str) -> Floats:
    """`[configurations, cases]`: 1, 0, or nan where there is no verdict."""
    return np.array(
        [[getattr(outcome.verdict, name) for outcome in column] for column in columns],
        dtype=np.float64,
    )
