"""From outcomes to numbers: one weighting, one bootstrap, and the numbers with their intervals.

Outcomes that share a concept are not independent: the model either knows it or not. So the
bootstrap draws whole clusters of outcomes, not single ones (Davison and Hinkley, Bootstrap Methods
and their Application, 1997, section 3.8).
"""

from __future__ import annotations

from collections import Counter
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
Combine = Callable[[Floats], Floats]
"""From weighted means `[draws, k]` to the number reported `[draws]`."""


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


def percent(rate: Rate | None) -> str:
    """A rate in percent with its interval; a dash for None."""
    return "\N{EN DASH}" if rate is None else rate.percent()


def harmonic_mean(language: Floats, meaning: Floats) -> Floats:
    """2ab / (a + b), and 0 where both are 0; any broadcastable shapes."""
    total = language + meaning
    return np.divide(2 * language * meaning, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True, eq=False)
class Weighting:
    """How much each of n outcomes counts, `weights [n]`, and to which cluster it belongs.

    `cluster [n]` numbers the clusters from 0. Outcomes of one cluster are drawn together.
    """

    weights: Floats
    cluster: npt.NDArray[np.intp]

    @classmethod
    def plain(cls, count: int, clusters: Sequence[Hashable] | None = None) -> Weighting:
        """Every outcome counts the same; without `clusters` each is one of its own."""
        return cls(np.ones(count), _numbered(range(count) if clusters is None else clusters))

    @classmethod
    def balanced(
        cls,
        pairs: Sequence[Hashable],
        clusters: Sequence[Hashable],
        parts: Sequence[Hashable] | None = None,
    ) -> Weighting:
        """Every pair of languages counts the same, and within it every one of its `parts`."""
        cells = list(zip(pairs, pairs if parts is None else parts, strict=True))
        sizes = Counter(cells)
        wide = Counter(pair for pair, _ in sizes)
        weights = np.array([1 / (wide[cell[0]] * sizes[cell]) for cell in cells])
        return cls(weights, _numbered(clusters))

    @property
    def groups(self) -> int:
        """How many clusters there are."""
        return int(self.cluster.max(initial=-1)) + 1

    def draws(self, seed: int = 0) -> npt.NDArray[np.int64]:
        """`[draws, clusters]`: how often each draw has each cluster. The one bootstrap."""
        size = self.groups
        return np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), DRAWS)

    def drawn(self, seed: int = 0) -> Floats:
        """`[1 + draws, n]`: the weight of each outcome as it is, and in each draw."""
        times = np.vstack([np.ones(self.groups), self.draws(seed)])[:, self.cluster]
        weighed: Floats = times * self.weights
        return weighed


def rate(values: Sequence[float], weighting: Weighting | None = None, seed: int = 0) -> Rate:
    """The weighted mean of outcomes in [0, 1], shape `[n]`, and its interval.

    Raises:
        LangsteerError: there are no outcomes.
    """
    columns = np.asarray(values, dtype=np.float64)[:, None]
    return combined_rate(columns, lambda means: means[:, 0], weighting, seed)


def combined_average(
    columns: Floats, combine: Combine, weighting: Weighting | None = None, seed: int = 0
) -> Estimate:
    """A function of several weighted means of any numbers; see :func:`combined_rate`.

    Where all clusters agree the interval is that one number: without bounds on the values nothing
    can be said of those that were not seen.
    """
    value, low, high = _bootstrap(_sums(columns, weighting), combine, seed)
    return Estimate(value, low, high, len(columns))


def combined_rate(
    columns: Floats, combine: Combine, weighting: Weighting | None = None, seed: int = 0
) -> Rate:
    """A function of several weighted means, drawn together, that is a share.

    Where all clusters agree the bootstrap has no spread and would claim certainty; then the exact
    one-sided bound for that many clusters without an exception is given (Clopper and Pearson,
    1934).

    Args:
        columns: Outcomes `[n, k]`.
        combine: From means to the number reported.
        weighting: What the outcomes count; by default all the same, each a cluster of its own.
        seed: Seed of the bootstrap.

    Raises:
        LangsteerError: there are no outcomes.
    """
    found = _sums(columns, weighting)
    if found.agree:
        value = float(combine(found.means)[0])
        return _unanimous(value, len(found.totals), len(columns))
    value, low, high = _bootstrap(found, combine, seed)
    return Rate(value, low, high, len(columns))


@dataclass(frozen=True, eq=False)
class _Sums:
    """Weighted sums `[groups, k]` and weights `[groups]` of the clusters."""

    weighting: Weighting
    sums: Floats
    totals: Floats

    @property
    def means(self) -> Floats:
        means: Floats = (self.sums.sum(0) / self.totals.sum())[None]
        return means

    @property
    def agree(self) -> bool:
        return np.allclose(self.sums, self.totals[:, None] * self.means)


def _sums(columns: Floats, weighting: Weighting | None) -> _Sums:
    if len(columns) == 0:
        raise LangsteerError("There are no outcomes to average; check the prompts and the pairs.")
    weighting = weighting or Weighting.plain(len(columns))
    sums = np.zeros((weighting.groups, columns.shape[1]))
    np.add.at(sums, weighting.cluster, columns * weighting.weights[:, None])
    totals = np.zeros(weighting.groups)
    np.add.at(totals, weighting.cluster, weighting.weights)
    return _Sums(weighting, sums, totals)


def _bootstrap(found: _Sums, combine: Combine, seed: int) -> tuple[float, float, float]:
    """Value, low and high: percentiles over draws of whole clusters."""
    value = float(combine(found.means)[0])
    drawn = found.weighting.draws(seed)
    means = (drawn @ found.sums) / (drawn @ found.totals)[:, None]
    low, high = interval(combine(means))
    return value, min(low, value), max(high, value)


def interval(drawn: Floats) -> tuple[float, float]:
    """The 95 % interval of bootstrap draws `[draws]`."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _numbered(names: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)


def _unanimous(value: float, groups: int, count: int) -> Rate:
    slack = 1 - ((1 - LEVEL) / 2) ** (1 / groups)
    return Rate(value, max(0.0, value - slack), min(1.0, value + slack), count)
