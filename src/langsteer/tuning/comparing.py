"""Configurations compared on the same cases: differences have far narrower intervals than scores.

What is compared is the objective of tuning, see :mod:`langsteer.evaluation.objective`. The
bootstrap draws concepts, the same ones for every configuration (Davison and Hinkley, 1997, section
3.8), so that what makes a case hard cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from langsteer.evaluation.aggregate import LEVEL, Floats, Weighting, interval
from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.objective import objectives
from langsteer.evaluation.summary import cluster


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


def compare(columns: Sequence[Sequence[Outcome]], seed: int = 0) -> Compared:
    """Compare configurations, each with its outcomes on the same cases in the same order."""
    weighting = Weighting.plain(len(columns[0]), list(map(cluster, columns[0])))
    found = objectives(columns, weighting.drawn(seed))
    return Compared(found[:, 0], found[:, 1:])


def surely_better(wins: int, losses: int, comparisons: int) -> bool:
    """Whether so many wins against so many losses cannot well be chance.

    The exact lower bound of the share of wins (Clopper and Pearson, 1934) is above one half, at a
    level that is shared among all comparisons (Bonferroni).
    """
    trials = wins + losses
    tail: float = sum(comb(trials, k) for k in range(wins, trials + 1)) / 2**trials
    return tail < (1 - LEVEL) / 2 / comparisons
