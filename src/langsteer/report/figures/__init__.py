"""The figures of the report: one file for each, from records to a chart."""

from langsteer.report.figures.confusion import confusion_chart
from langsteer.report.figures.language_map import language_map_chart
from langsteer.report.figures.layers import layers_chart
from langsteer.report.figures.methods import estimators_chart, methods_chart
from langsteer.report.figures.pairs import pairs_charts
from langsteer.report.figures.shares import shares_chart
from langsteer.report.figures.surface import surface_chart
from langsteer.report.figures.uncertainty import uncertainty_chart
from langsteer.report.figures.words import words_chart

__all__ = [
    "confusion_chart",
    "estimators_chart",
    "language_map_chart",
    "layers_chart",
    "methods_chart",
    "pairs_charts",
    "shares_chart",
    "surface_chart",
    "uncertainty_chart",
    "words_chart",
]
