"""All metrics, in the order in which they are shown."""

from __future__ import annotations

from importlib import import_module

from langsteer.evaluation.metrics.metric import Metric

MODULES = (
    "language",
    "references",
    "fluency",
    "echo",
)
"""The files with metrics, listed there as ``METRICS``: a new one is one line."""
METRICS: tuple[Metric, ...] = tuple(
    metric
    for name in MODULES
    for metric in import_module(f"langsteer.evaluation.metrics.{name}").METRICS
)
BY_NAME = {metric.name: metric for metric in METRICS}
MEANINGS = ("judged", "contained")
"""What counts as meaning in the combined score: the first of these that there is."""
