"""Figures and one self-contained HTML page that show what a space does to a model.

Fill a `Report` and hand it to `write_report`.
"""

from langsteer.report.data import (
    Condition,
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
    ModelFacts,
    OperatingPoint,
    PairResult,
    Rate,
    Report,
    ShareOfVariance,
    WordProbability,
)
from langsteer.report.page import write_report

__all__ = [
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
    "ModelFacts",
    "OperatingPoint",
    "PairResult",
    "Rate",
    "Report",
    "ShareOfVariance",
    "WordProbability",
    "write_report",
]
