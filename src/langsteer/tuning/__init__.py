"""Choose where and how strongly to steer, on prompts kept for that purpose."""

from langsteer.tuning.cases import sample_cases
from langsteer.tuning.journal import Journal
from langsteer.tuning.prediction import Promise, candidates, promises
from langsteer.tuning.search import BUDGET, SCOPES, Trial, Tuned, describe, tune
from langsteer.tuning.spaces import tune_space

__all__ = [
    "BUDGET",
    "SCOPES",
    "Journal",
    "Promise",
    "Trial",
    "Tuned",
    "candidates",
    "describe",
    "promises",
    "sample_cases",
    "tune",
    "tune_space",
]
