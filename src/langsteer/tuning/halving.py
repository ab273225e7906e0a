"""Successive halving: many configurations on few cases, few configurations on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log2

from langsteer.evaluation.cases import Case
from langsteer.space.space import OperatingPoint
from langsteer.tuning.comparing import compare
from langsteer.tuning.degenerate import mostly_degenerate
from langsteer.tuning.evaluator import Evaluator
from langsteer.tuning.table import Answered

FIRST = 12
"""The cases on which every configuration is looked at first."""
FINALISTS = 2
OnRung = Callable[[OperatingPoint, float], None]


def halve(
    evaluator: Evaluator,
    answered: Answered,
    order: Sequence[Case],
    points: Sequence[OperatingPoint],
    budget: int,
    on_rung: OnRung,
) -> list[OperatingPoint]:
    """The best few of the configurations, the best first (Karnin, Koren and Somekh, 2013).

    Every rung asks more of the same cases and may spend the same part of the tokens. After it the
    configurations go that are degenerate, those whose paired 95 % interval says that they are
    worse than the best, and then the lower half.

    Args:
        evaluator: Answers and counts tokens.
        answered: Where all outcomes are kept.
        order: The cases, each beginning of which stands for all.
        points: The configurations.
        budget: The tokens that may have been spent when this ends.
        on_rung: Called with the best so far and its objective after every rung.
    """
    alive = list(points)
    rungs = max(1, ceil(log2(len(alive) / FINALISTS)))
    asked = 0
    for rung in range(rungs + 1):
        asked = min(len(order), asked + _more(evaluator, len(alive), budget, rungs + 1 - rung))
        answered.extend(evaluator, order[:asked], alive)
        alive = _survivors(answered, alive, len(order[:asked]), halved=rung > 0)
        on_rung(alive[0], answered.objective(alive[0]))
        if len(alive) <= FINALISTS and rung > 0:
            break
    return alive


def _more(evaluator: Evaluator, points: int, budget: int, rungs: int) -> int:
    """How many more cases each configuration can be asked in this rung."""
    cost = evaluator.tokens_per_answer
    if cost is None:
        return FIRST
    return max(1, int((budget - evaluator.tokens) / rungs / (cost * points)))


def _survivors(
    answered: Answered, alive: Sequence[OperatingPoint], cases: int, *, halved: bool
) -> list[OperatingPoint]:
    """Those that stay, the best first; at least one does."""
    columns = [answered.outcomes(point)[:cases] for point in alive]
    sound = [row for row in range(len(alive)) if not mostly_degenerate(columns[row])]
    rows = sound or list(range(len(alive)))
    compared = compare([columns[row] for row in rows])
    best = compared.best()
    stay = [at for at in range(len(rows)) if compared.gain(at, best)[1] >= 0]
    ranked = [rows[at] for at in sorted(stay, key=lambda at: -compared.value[at])]
    keep = max(FINALISTS, ceil(len(alive) / 2)) if halved else len(alive)
    return [alive[row] for row in ranked[:keep]]
