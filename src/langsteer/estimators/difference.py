"""Δ = μ_t - μ_s: what is left has the same mean in both languages."""

from __future__ import annotations

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem


def difference(problem: Problem) -> Shift:
    """Shift by the difference of the mean latents (Marks and Tegmark, 2023; the 'mass mean')."""
    return Shift(problem.delta().float())


DIFFERENCE = Estimator("difference", "Δ = μ_target - μ_source", difference)
