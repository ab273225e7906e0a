"""Whether an answer is text at all: repetition, emptiness, likelihood and length."""

from __future__ import annotations

from langsteer.evaluation.metrics.metric import Metric
from langsteer.text.degeneration import length, repetition

METRICS = (
    Metric(
        "repetition",
        "repeated 4-grams of words",
        "low",
        value=lambda seen: repetition(seen.text),
    ),
    Metric("empty", "empty answers", "low", value=lambda seen: float(not seen.text.strip())),
    Metric("perplexity", "perplexity under the unsteered model", "low", "logarithm"),
    Metric("length", "length in words", "", "number", value=lambda seen: float(length(seen.text))),
)
