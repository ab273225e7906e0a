"""A few latents are outliers: geometric medians in place of means."""

from __future__ import annotations

from torch import Tensor

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem

STEPS = 200
TOLERANCE = 1e-10


def robust(problem: Problem) -> Shift:
    """Shift by the difference of the geometric medians of the text latents that were kept.

    Up to half of the texts may be moved anywhere and the median stays bounded (Lopuhaä and
    Rousseeuw, 1991).
    """
    source, target = (median(problem, language) for language in (problem.origin, problem.target))
    return Shift((target - source).float())


def median(problem: Problem, language: str) -> Tensor:
    """`[d]`: geometric median of the sampled latents of a language."""
    statistics = problem.statistics
    statistics.sample.require(problem.layer, statistics.layers)
    position = statistics.at(problem.layer)
    latents, weights = statistics.sample.latents(language, position)
    return statistics.memo(
        ("median", problem.layer, language), lambda: geometric_median(latents, weights)
    )


def geometric_median(x: Tensor, weights: Tensor) -> Tensor:
    """The point `[d]` with the least weighted sum of distances to `x [n, d]`.

    Weiszfeld's iteration with the step of Vardi and Zhang (2000), which does not stall on a point
    of the data.
    """
    centre = (weights[:, None] * x).sum(0) / weights.sum()
    scale = float((x - centre).norm(dim=1).mean()) or 1.0
    for _ in range(STEPS):
        moved = _step(x, weights, centre, scale)
        if float((moved - centre).norm()) <= TOLERANCE * scale:
            return moved
        centre = moved
    return centre


def _step(x: Tensor, weights: Tensor, centre: Tensor, scale: float) -> Tensor:
    distance = (x - centre).norm(dim=1)
    away = distance > 1e-12 * scale
    if not bool(away.any()):
        return centre
    pull = weights[away] / distance[away]
    goal: Tensor = (pull[:, None] * x[away]).sum(0) / pull.sum()
    stuck = float(weights[~away].sum())
    force = float((pull[:, None] * (x[away] - centre)).sum(0).norm())
    stay = min(1.0, stuck / force) if force > 0 else 1.0
    return (1 - stay) * goal + stay * centre


ROBUST = Estimator(
    "robust", "difference of geometric medians of a sample of texts", robust, sample=True
)
