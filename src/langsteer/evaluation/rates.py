"""Rates with bootstrap intervals.

Outcomes that share a concept are not independent: the model either knows it or not. So the
bootstrap draws whole clusters of outcomes, not single ones (Davison and Hinkley, Bootstrap Methods
and their Application, 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from langsteer.errors import LangsteerError

DRAWS = 1000
LEVEL = 0.95
SLACK = 1e-6
"""What rounding outwards forgives, so that 1.0000000001 does not become 101 %."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and the number of outcomes behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Rate(Estimate):
    """A share between 0 and 1."""

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"

    def percent(self, sign: str = "") -> str:
        """In percent with the interval, which is rounded outwards: ``97.3 [95–99]``."""
        low, high = floor(100 * self.low + SLACK), ceil(100 * self.high - SLACK)
        return f"{100 * self.value:.1f}{sign} [{low}–{high}]"


def harmonic_mean(language: Floats, meaning: Floats) -> Floats:
    """2ab / (a + b), and 0 where both are 0; any broadcastable shapes."""
    total = language + meaning
    return np.divide(2 * language * meaning, total, out=np.zeros_like(total), where=total > 0)


def rate(
    values: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Rate:
    """The weighted mean of outcomes in [0, 1], shape ``[n]``, and its interval.

    Args:
        values: One number per outcome.
        clusters: What each outcome belongs to; outcomes of one cluster are drawn together. Default:
            every outcome is a cluster of its own.
        weights: The weight of each outcome; default 1.
        seed: Seed of the bootstrap.

    Raises:
        LangsteerError: There are no outcomes.
    """
    columns = np.asarray(values, dtype=np.float64)[:, None]
    return combined_rate(columns, lambda means: means[:, 0], clusters, weights, seed)


def combined_average(
    columns: Floats,
    combine: Callable[[Floats], Floats],
    clusters: Sequence[Hashable] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Estimate:
    """A function of several weighted means of any numbers; arguments and errors as for
    :func:`combined_rate`.

    Where all clusters agree the interval is that one number: without bounds on the values nothing
    can be said of those that were not seen.
    """
    value, low, high = _bootstrap(_sums(columns, clusters, weights), combine, seed)
    return Estimate(value, low, high, len(columns))


def combined_rate(
    columns: Floats,
    combine: Callable[[Floats], Floats],
    clusters: Sequence[Hashable] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Rate:
    """A function of several weighted means, drawn together: ``combine`` maps ``[draws, k]`` to
    ``[draws]``.

    Where all clusters agree the bootstrap has no spread and would claim certainty; then the exact
    one-sided bound for that many clusters without an exception is given (Clopper and Pearson,
    1934).

    Args:
        columns: Outcomes ``[n, k]``.
        combine: From means to the number reported.
        clusters: As in :func:`rate`.
        weights: As in :func:`rate`.
        seed: Seed of the bootstrap.

    Raises:
        LangsteerError: There are no outcomes.
    """
    found = _sums(columns, clusters, weights)
    if found.agree:
        value = float(combine(found.means)[0])
        return _unanimous(value, len(found.totals), len(columns))
    value, low, high = _bootstrap(found, combine, seed)
    return Rate(value, low, high, len(columns))


@dataclass(frozen=True)
class _Sums:
    """Weighted sums ``[groups, k]`` and weights ``[groups]`` of the clusters."""

    sums: Floats
    totals: Floats

    @property
    def means(self) -> Floats:
        means: Floats = (self.sums.sum(0) / self.totals.sum())[None]
        return means

    @property
    def agree(self) -> bool:
        return np.allclose(self.sums, self.totals[:, None] * self.means)


def _sums(
    columns: Floats, clusters: Sequence[Hashable] | None, weights: Sequence[float] | None
) -> _Sums:
    count = len(columns)
    if count == 0:
        raise LangsteerError("There are no outcomes to average; check the prompts and the pairs.")
    weight = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    index = _indices(clusters, count)
    groups = int(index.max()) + 1
    sums = np.zeros((groups, columns.shape[1]))
    np.add.at(sums, index, columns * weight[:, None])
    totals = np.zeros(groups)
    np.add.at(totals, index, weight)
    return _Sums(sums, totals)


def _bootstrap(
    found: _Sums, combine: Callable[[Floats], Floats], seed: int
) -> tuple[float, float, float]:
    """Value, low and high: percentiles over draws of whole clusters."""
    groups = len(found.totals)
    value = float(combine(found.means)[0])
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), DRAWS)
    means = (drawn @ found.sums) / (drawn @ found.totals)[:, None]
    low, high = np.quantile(combine(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, min(float(low), value), max(float(high), value)


def _indices(clusters: Sequence[Hashable] | None, count: int) -> npt.NDArray[np.intp]:
    if clusters is None:
        return np.arange(count)
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.intp)


def _unanimous(value: float, groups: int, count: int) -> Rate:
    slack = 1 - ((1 - LEVEL) / 2) ** (1 / groups)
    return Rate(value, max(0.0, value - slack), min(1.0, value + slack), count)
