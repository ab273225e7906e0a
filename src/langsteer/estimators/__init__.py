"""Estimators: statistics of a corpus in, a map of latents out.

Adding one is a new file here and a line in `registry.MODULES`.
"""

from langsteer.estimators.base import Estimator, Problem
from langsteer.estimators.registry import ESTIMATORS, estimate, find, keep_for

__all__ = ["ESTIMATORS", "Estimator", "Problem", "estimate", "find", "keep_for"]
