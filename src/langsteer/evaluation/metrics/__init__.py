"""All metrics of answers: each a number, or nothing where it does not apply.

``docs/metrics.md`` says of each where it comes from. A metric is a file with ``METRICS``, and one
line in ``registry.MODULES``.
"""

from langsteer.evaluation.metrics.measuring import (
    Measured,
    combined_score,
    estimates,
    measure,
    unjudged,
)
from langsteer.evaluation.metrics.metric import Better, Metric, Sight
from langsteer.evaluation.metrics.registry import BY_NAME, MEANINGS, METRICS

__all__ = [
    "BY_NAME",
    "MEANINGS",
    "METRICS",
    "Better",
    "Measured",
    "Metric",
    "Sight",
    "combined_score",
    "estimates",
    "measure",
    "unjudged",
]
