"""How much an answer has in common with right ones, and what a judge says of it."""

from __future__ import annotations

from langsteer.evaluation.metrics.metric import Metric, Sight
from langsteer.evaluation.overlap import chrf, contained, exact, has_chrf, normalised_match


def _chrf(seen: Sight) -> float | None:
    return chrf(seen.text, seen.answer.references) if has_chrf() else None


METRICS = (
    Metric(
        "exact",
        "answer is a reference",
        "high",
        value=lambda seen: exact(seen.text, seen.answer.references),
    ),
    Metric(
        "normalised",
        "answer is a reference, normalised",
        "high",
        value=lambda seen: normalised_match(seen.text, seen.answer.references),
    ),
    Metric(
        "contained",
        "answer contains a reference",
        "high",
        value=lambda seen: contained(seen.text, seen.answer.references),
    ),
    Metric("chrf", "chrF against the references", "high", value=_chrf),
    Metric("similarity", "cosine of embeddings to the references", "high", "number"),
    Metric("judged", "rating by the judge", "high"),
)
