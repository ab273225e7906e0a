"""Choose where and how strongly to steer, on prompts kept for that purpose.

A coarse search: every layer and scope at strength 1, then the strength at the best of them. All
configurations of a stage and all pairs of languages share batches.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from langsteer.errors import LangsteerError
from langsteer.evaluation.run import STEERED, Case, Outcome, Runner
from langsteer.evaluation.summary import Scores, objective, scores
from langsteer.space import OperatingPoint

STRENGTHS = (0.75, 1.25, 1.5)
SCOPES = ("all", "generated")


@dataclass(frozen=True)
class Trial:
    """One configuration and how it did on the tuning prompts."""

    point: OperatingPoint
    objective: float
    scores: Scores


@dataclass(frozen=True)
class Tuned:
    """The chosen operating point with all trials behind it."""

    point: OperatingPoint
    trials: tuple[Trial, ...]


def sample_cases(
    cases: Sequence[Case], per_group: int, seed: int = 0, *, families: bool = True
) -> list[Case]:
    """At most ``per_group`` cases of every ordered pair of languages, and of every family in it.

    Without ``families`` each pair has ``per_group`` cases in all, of whichever family.
    """
    generator = random.Random(seed)
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        family = (case.prompt.family,) if families else ()
        groups.setdefault((*family, case.source, case.target), []).append(case)
    return [
        case
        for group in groups.values()
        for case in generator.sample(group, min(per_group, len(group)))
    ]


def tune(
    runner: Runner,
    coarse: Sequence[Case],
    fine: Sequence[Case],
    *,
    layers: Sequence[int],
    scopes: Sequence[str] = SCOPES,
    strengths: Sequence[float] = STRENGTHS,
    estimator: str = "difference",
    split: str = "tune",
) -> Tuned:
    """The best single layer, scope and strength.

    Args:
        runner: Answers and judges.
        coarse: Cases on which every layer and scope is tried at strength 1.
        fine: Cases on which the strengths are compared at the two best of those.
        layers: Candidate layers, 0-based block outputs.
        scopes: Candidate scopes.
        strengths: Candidate strengths besides 1.
        estimator: The estimator of the maps.
        split: What the cases are called in the record of the choice.

    Raises:
        LangsteerError: There is nothing to try, or nothing to try it on.
    """
    if not (coarse and fine and layers and scopes):
        raise LangsteerError("Tuning needs at least one prompt, one layer and one scope.")
    first = [
        OperatingPoint(layers=(layer,), strength=1.0, scope=scope, estimator=estimator, split=split)
        for scope in scopes
        for layer in layers
    ]
    rough = _trials(runner, coarse, first)
    best = sorted(rough, key=_preference, reverse=True)[:2]
    second = [
        replace(trial.point, strength=strength)
        for trial in best
        for strength in sorted({1.0, *strengths})
    ]
    exact = _trials(runner, fine, second)
    chosen = max(exact, key=_preference)
    return Tuned(_with_scores(chosen), (*rough, *exact))


def _trials(runner: Runner, cases: Sequence[Case], points: Sequence[OperatingPoint]) -> list[Trial]:
    todo = [(case, point) for point in points for case in cases]
    outcomes = runner.steer(STEERED, [case for case, _ in todo], [point for _, point in todo])
    size = len(cases)
    return [
        _trial(point, outcomes[number * size : (number + 1) * size])
        for number, point in enumerate(points)
    ]


def _trial(point: OperatingPoint, outcomes: Sequence[Outcome]) -> Trial:
    return Trial(point, objective(outcomes), scores(outcomes))


def _preference(trial: Trial) -> tuple[float, float]:
    """By objective; of equals the strength nearest to 1, which is the map as it was estimated."""
    return (round(trial.objective, 4), -abs(trial.point.strength - 1))


def _with_scores(trial: Trial) -> OperatingPoint:
    found = {"objective": trial.objective, "language_rate": trial.scores.language_rate.value}
    if trial.scores.meaning is not None:
        found["meaning"] = trial.scores.meaning.value
    return replace(trial.point, scores=found)
