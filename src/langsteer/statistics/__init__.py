"""Counts, means and scatter of latents, per layer and language: streaming, float64, mergeable."""

from langsteer.statistics.alignment import Alignment, Shares
from langsteer.statistics.matching import Matching
from langsteer.statistics.moments import Moments
from langsteer.statistics.sample import Sample
from langsteer.statistics.scatter import Keep, Scatter
from langsteer.statistics.statistics import Statistics
from langsteer.statistics.tokens import TokenTable

__all__ = [
    "Alignment",
    "Keep",
    "Matching",
    "Moments",
    "Sample",
    "Scatter",
    "Shares",
    "Statistics",
    "TokenTable",
]
