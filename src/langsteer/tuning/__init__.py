"""Choose where and how strongly to steer, on prompts kept for that purpose."""

from langsteer.tuning.journal import Journal
from langsteer.tuning.prediction import LayerScore, best_layers, rank_layers
from langsteer.tuning.search import BUDGET, SCOPES, SearchOptions, Trial, Tuned, describe, tune
from langsteer.tuning.spaces import TuningOptions, tune_space

__all__ = [
    "BUDGET",
    "SCOPES",
    "Journal",
    "LayerScore",
    "SearchOptions",
    "Trial",
    "Tuned",
    "TuningOptions",
    "best_layers",
    "describe",
    "rank_layers",
    "tune",
    "tune_space",
]
