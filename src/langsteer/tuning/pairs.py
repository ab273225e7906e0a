"""Operating points for single pairs of languages, where the answers show that they need one."""

from __future__ import annotations

from collections.abc import Sequence

from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.objective import objective
from langsteer.space.space import OperatingPoint, PairPoint
from langsteer.tuning.comparing import surely_better
from langsteer.tuning.evaluator import Evaluator
from langsteer.tuning.table import Answered

MOST_PAIRS = 8
GOOD = 0.9
"""A pair that does as well as this at the point of all is left alone."""
FEWEST_CASES = 6
"""Fewer cases of a pair could not show anything."""

Pair = tuple[str, str]


def own_points(
    evaluator: Evaluator,
    answered: Answered,
    cases: Sequence[Case],
    chosen: OperatingPoint,
    others: Sequence[OperatingPoint],
    budget: int,
) -> tuple[PairPoint, ...]:
    """The pairs that do better at another point than at the one of all, with that point.

    The pairs that do worst are asked all of their cases, at the point of all and at the others. A
    pair has its own point only if that wins so much oftener than it loses, case by case,
    that the interval of its share of wins lies above one half, with all comparisons counted.

    Args:
        evaluator: Answers and counts tokens.
        answered: Where all outcomes are; those of the point of all tell which pairs do badly.
        cases: All cases.
        chosen: The point of all pairs.
        others: A few points to try instead.
        budget: The tokens that may have been spent when this ends.
    """
    groups = _worst(cases, answered.outcomes(chosen))
    while groups and not _affordable(evaluator, groups, len(others) + 1, budget):
        groups.popitem()
    if not (groups and others):
        return ()
    todo = [case for group in groups.values() for case in group]
    columns = answered.on(evaluator, todo, [chosen, *others])
    found, start = [], 0
    for pair, group in groups.items():
        rows = slice(start, start + len(group))
        start += len(group)
        mine, *theirs = (column[rows] for column in columns)
        better = [
            (objective(one), point)
            for point, one in zip(others, theirs, strict=True)
            if surely_better(*_wins(one, mine), len(groups) * len(others))
        ]
        if better:
            found.append(_pair_point(pair, *max(better, key=lambda one: one[0]), objective(mine)))
    return tuple(found)


def _worst(cases: Sequence[Case], known: Sequence[Outcome]) -> dict[Pair, list[Case]]:
    """The pairs that do worst, with all of their cases; the worst first."""
    right: dict[Pair, list[bool]] = {}
    for one in known:
        right.setdefault((one.case.source, one.case.target), []).append(_right(one))
    shares = {pair: sum(found) / len(found) for pair, found in right.items()}
    bad = sorted((share, pair) for pair, share in shares.items() if share < GOOD)
    groups: dict[Pair, list[Case]] = {pair: [] for _, pair in bad}
    for case in cases:
        if (case.source, case.target) in groups:
            groups[case.source, case.target].append(case)
    enough = [pair for pair, group in groups.items() if len(group) >= FEWEST_CASES]
    return {pair: groups[pair] for pair in enough[:MOST_PAIRS]}


def _affordable(
    evaluator: Evaluator, groups: dict[Pair, list[Case]], points: int, budget: int
) -> bool:
    answers = points * sum(map(len, groups.values()))
    return evaluator.tokens + answers * (evaluator.tokens_per_answer or 0) <= budget


def _right(one: Outcome) -> bool:
    """Right in every way that there is a verdict on."""
    return one.verdict.language_right and one.verdict.meaning_right is not False


def _wins(theirs: Sequence[Outcome], mine: Sequence[Outcome]) -> tuple[int, int]:
    pairs = [(_right(a), _right(b)) for a, b in zip(theirs, mine, strict=True)]
    return sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)


def _pair_point(pair: Pair, score: float, point: OperatingPoint, before: float) -> PairPoint:
    scores = {"objective": score, "objective_of_all": before}
    return PairPoint(*pair, point.layers, point.strength, point.scope, point.estimator, scores)
