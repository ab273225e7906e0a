"""Choose where and how strongly to steer, on prompts kept for that purpose."""

from langsteer.tuning.journal import Journal
from langsteer.tuning.prediction import Promise, candidates, promises
from langsteer.tuning.search import BUDGET, SCOPES, Trial, Tuned, describe, tune
from langsteer.tuning.spaces import TuningOptions, tune_space

__all__ = [
    "BUDGET",
    "SCOPES",
    "Journal",
    "Promise",
    "Trial",
    "Tuned",
    "TuningOptions",
    "candidates",
    "describe",
    "promises",
    "tune",
    "tune_space",
]
