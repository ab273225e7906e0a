"""From truth values to the numbers of the table, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from measure import Result

from langsteer.evaluation.aggregate import Floats, Rate, Weighting, combined_rate, harmonic_mean


def score(result: Result) -> Rate:
    """The harmonic mean of the rates of right language and right meaning."""
    return mean_score([result])


def mean_score(results: Sequence[Result]) -> Rate:
    """The mean over settings of the score; concepts are drawn together for all of them."""
    columns, clusters = _columns(results, len(results), 0)
    weighting = Weighting.plain(len(columns), clusters)
    return combined_rate(columns, lambda means: _mean(means, 0, len(results)), weighting)


def difference(ours: Sequence[Result], theirs: Sequence[Result]) -> Rate:
    """How much higher the first mean score is, on the same cases; from -1 to 1."""
    count = len(ours)
    a, clusters = _columns(ours, 2 * count, 0)
    b, more = _columns(theirs, 2 * count, count)
    return combined_rate(
        np.concatenate([a, b]),
        lambda means: _mean(means, 0, count) - _mean(means, count, count),
        Weighting.plain(len(a) + len(b), [*clusters, *more]),
    )


def _columns(results: Sequence[Result], settings: int, first: int) -> tuple[Floats, list[str]]:
    """For every setting three columns, ``[n, 3 settings]``: language, meaning and being in it."""
    rows, clusters = [], []
    for at, result in enumerate(results, first):
        for language, meaning in zip(result.language, result.meaning, strict=True):
            row = np.zeros(3 * settings)
            row[3 * at : 3 * at + 3] = language, meaning, 1
            rows.append(row)
        clusters += result.clusters
    return np.array(rows), clusters


def _mean(means: Floats, first: int, count: int) -> Floats:
    """``[draws, k]`` to ``[draws]``: the mean of the scores of ``count`` settings."""
    found = []
    for at in range(first, first + count):
        language, meaning, inside = (means[:, 3 * at + part] for part in range(3))
        share = np.maximum(inside, np.finfo(np.float64).tiny)
        found.append(harmonic_mean(language / share, meaning / share))
    return np.asarray(np.mean(found, axis=0), dtype=np.float64)
