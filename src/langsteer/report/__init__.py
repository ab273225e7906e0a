"""Figures and one self-contained HTML page that show what a space does to a model.

Fill a `Report` and hand it to `write_report`; `write_comparison` draws the comparison of methods
alone, for results from anywhere.
"""

from langsteer.evaluation.rates import Rate
from langsteer.evaluation.runner import Condition
from langsteer.report.data import (
    Answer,
    ConditionResult,
    Confusion,
    CorpusFacts,
    DeltaQuality,
    Example,
    FailureKind,
    FamilyResult,
    LanguageMap,
    LanguagePoint,
    LayerPoint,
    LayerStrengthPoint,
    MethodResult,
    MetricResult,
    ModelFacts,
    PairResult,
    Report,
    ShareOfVariance,
    WordProbability,
)
from langsteer.report.page import write_comparison, write_report
from langsteer.space.space import OperatingPoint

__all__ = [
    "Answer",
    "Condition",
    "ConditionResult",
    "Confusion",
    "CorpusFacts",
    "DeltaQuality",
    "Example",
    "FailureKind",
    "FamilyResult",
    "LanguageMap",
    "LanguagePoint",
    "LayerPoint",
    "LayerStrengthPoint",
    "MethodResult",
    "MetricResult",
    "ModelFacts",
    "OperatingPoint",
    "PairResult",
    "Rate",
    "Report",
    "ShareOfVariance",
    "WordProbability",
    "write_comparison",
    "write_report",
]
