"""Configurations compared on the same cases: differences have far narrower intervals than scores.

What is compared is the objective of tuning, see :func:`langsteer.evaluation.summary.objective`. The
bootstrap draws concepts, the same ones for every configuration (Davison and Hinkley, 1997, section
3.8), so that what makes a case hard cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.rates import DRAWS, LEVEL, Floats, harmonic_mean


@dataclass(frozen=True)
class Compared:
    """Objectives of several configurations on the same cases.

    `value [n]`; `drawn [n, draws]` are those of the bootstrap, column by column on the same draw.
    """

    value: Floats
    drawn: Floats

    def best(self) -> int:
        """The configuration with the highest objective; of equals the first."""
        return int(self.value.argmax())

    def gain(self, other: int, over: int) -> tuple[float, float]:
        """The 95 % interval of the objective of `other` minus that of `over`."""
        return interval(self.drawn[other] - self.drawn[over])


def interval(drawn: Floats) -> tuple[float, float]:
    """The 95 % interval of bootstrap draws [draws]."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def compare(columns: Sequence[Sequence[Outcome]], seed: int = 0) -> Compared:
    """Compare configurations, each with its outcomes on the same cases in the same order."""
    language, meaning = (_table(columns, name) for name in ("language_right", "both"))
    cases = [outcome.case for outcome in columns[0]]
    families: dict[str, list[int]] = {}
    clusters: dict[str, int] = {}
    cluster = np.empty(len(cases), dtype=np.intp)
    for number, case in enumerate(cases):
        families.setdefault(case.prompt.family, []).append(number)
        name = (case.prompt.concepts or (case.prompt.text,))[-1]
        cluster[number] = clusters.setdefault(name, len(clusters))
    size = len(clusters)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), DRAWS)
    weights = np.vstack([np.ones(len(cases)), drawn[:, cluster]]).astype(np.float64)
    total = np.zeros((len(columns), len(weights)))
    count = np.zeros(len(weights))
    for rows in families.values():
        score, there = _family(language[:, rows], meaning[:, rows], weights[:, rows])
        total += score
        count += there
    found = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return Compared(found[:, 0], found[:, 1:])


def _family(language: Floats, meaning: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """What a family adds [configurations, draws], and in which draws [draws] it occurs at all."""
    keyed = ~np.isnan(meaning[0])
    rate, there = _means(language, weights)
    if not keyed.any():
        return rate, there
    right, with_key = _means(np.nan_to_num(meaning), weights * keyed)
    both = harmonic_mean(rate, right)
    return np.where(with_key > 0, both, rate) * there, there


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


def surely_better(wins: int, losses: int, comparisons: int) -> bool:
    """Whether so many wins against so many losses cannot well be chance.

    The exact lower bound of the share of wins (Clopper and Pearson, 1934) is above one half, at a
    level that is shared among all comparisons (Bonferroni).
    """
    trials = wins + losses
    tail: float = sum(comb(trials, k) for k in range(wins, trials + 1)) / 2**trials
    return tail < (1 - LEVEL) / 2 / comparisons
