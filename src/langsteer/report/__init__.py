"""Figures and one self-contained HTML page that show what a space does to a model.

Fill a `Report` and hand it to `write_report`; `write_comparison` draws the comparison of methods
alone, for results from anywhere.
"""

from langsteer.evaluation.aggregate import Rate
from langsteer.evaluation.summary import PairScores
from langsteer.evaluation.words import WordProbabilities
from langsteer.report.data import (
    ConditionResult,
    ConfusionCount,
    CorpusShown,
    Example,
    FailureKind,
    FamilyResult,
    JudgedAnswer,
    LanguageMap,
    LanguagePoint,
    LayerPoint,
    LayerStrengthPoint,
    MethodResult,
    MetricResult,
    ModelFacts,
    Report,
    ShareOfVariance,
)
from langsteer.report.page import write_comparison, write_report
from langsteer.statistics.uncertainty import DeltaQuality

__all__ = [
    "ConditionResult",
    "ConfusionCount",
    "CorpusShown",
    "DeltaQuality",
    "Example",
    "FailureKind",
    "FamilyResult",
    "JudgedAnswer",
    "LanguageMap",
    "LanguagePoint",
    "LayerPoint",
    "LayerStrengthPoint",
    "MethodResult",
    "MetricResult",
    "ModelFacts",
    "PairScores",
    "Rate",
    "Report",
    "ShareOfVariance",
    "WordProbabilities",
    "write_comparison",
    "write_report",
]
