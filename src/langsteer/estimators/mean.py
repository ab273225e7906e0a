"""z_language = μ: what is left has the mean zero."""

from __future__ import annotations

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem


def mean(problem: Problem) -> Shift:
    """Shift by the target's mean latent; the source's is not taken away."""
    return Shift(problem.mean(problem.target).float())


MEAN = Estimator("mean", "add μ_target, take nothing away", mean, source=False)
