"""Measure answers, and average what was measured, each metric with an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from langsteer.data.answers import GivenAnswer
from langsteer.evaluation.aggregate import (
    Estimate,
    Floats,
    Rate,
    Weighting,
    combined_average,
    combined_rate,
    harmonic_mean,
)
from langsteer.evaluation.confusion import confusions
from langsteer.evaluation.metrics.metric import Metric, Sight
from langsteer.evaluation.metrics.registry import MEANINGS, METRICS
from langsteer.text.answer import visible
from langsteer.text.detect import Detector


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer, the language it is in, and the value of every metric that applies."""

    answer: GivenAnswer
    language: str | None
    values: Mapping[str, float]


def measure(
    answers: Sequence[GivenAnswer],
    detector: Detector,
    *,
    lexicon: Collection[str] | None = None,
    extra: Mapping[str, Sequence[float | None]] | None = None,
) -> list[Measured]:
    """The metrics of every answer that need no model; chrF only where sacrebleu is installed.

    Args:
        answers: What to measure.
        detector: Says which language a text is in.
        lexicon: As for :func:`langsteer.evaluation.confusion.confusions`.
        extra: Name of a metric in ``METRICS`` → its value for each answer, made elsewhere.

    """
    found = confusions([(one.text, one.target) for one in answers], detector, lexicon=lexicon)
    given = extra or {}
    measured = []
    for number, (one, confusion) in enumerate(zip(answers, found, strict=True)):
        seen = Sight(one, visible(one.text), confusion)
        values = {metric.name: metric.value(seen) for metric in METRICS if metric.value}
        values |= {name: column[number] for name, column in given.items()}
        values["both"] = _both(values)
        known = {name: value for name, value in values.items() if value is not None}
        measured.append(Measured(one, confusion.language, known))
    return measured


def _both(values: Mapping[str, float | None]) -> float | None:
    """Language and meaning of one answer together: 1 if both are right."""
    language = values.get("right_language", values["forced"])
    names = ("right_meaning", *MEANINGS)
    meaning = next((one for name in names if (one := values.get(name)) is not None), None)
    return None if language is None or meaning is None else language * meaning


def unjudged(measured: Sequence[Measured]) -> dict[str, int]:
    """Target language → answers of which the detector cannot say whether they are in it."""
    lacking = [one for one in measured if "forced" not in one.values]
    return dict(sorted(Counter(one.answer.target for one in lacking).items()))


def estimates(measured: Sequence[Measured], seed: int = 0) -> dict[str, Estimate]:
    """Name → mean and interval of every metric that applies to any of the answers.

    Every pair of languages weighs the same, and within it every data set. The bootstrap draws
    whole clusters.
    """
    found: dict[str, Estimate] = {}
    for metric in METRICS:
        having = [one for one in measured if metric.name in one.values]
        if having:
            found[metric.name] = _estimate(metric, having, seed)
    return found


def _estimate(metric: Metric, having: Sequence[Measured], seed: int) -> Estimate:
    columns = np.array([[one.values[metric.name]] for one in having])
    if metric.share:
        return combined_rate(columns, _only, _weighting(having), seed)
    combine = np.exp if metric.kind == "logarithm" else np.asarray
    return combined_average(columns, lambda means: combine(_only(means)), _weighting(having), seed)


def _only(means: Floats) -> Floats:
    return means[:, 0]


def combined_score(
    measured: Sequence[Measured], meaning: str | None = None, seed: int = 0
) -> Rate | None:
    """Harmonic mean of language forcing success and meaning; None without a metric of meaning.

    The mean is taken of the two averages, not answer by answer, as CLaS-Bench does
    (arXiv 2601.08331, section 4). Answers in the language that they would be in anyway
    (``source == target``) are left out: there is nothing to steer.

    Args:
        measured: Answers with their metrics.
        meaning: The metric that stands for meaning; default: the first of ``MEANINGS`` there is.
        seed: Seed of the bootstrap.
    """
    steered = [one for one in measured if one.answer.source != one.answer.target]
    names = MEANINGS if meaning is None else (meaning,)
    for name in names:
        having = [one for one in steered if name in one.values and "forced" in one.values]
        if having:
            columns = np.array([[one.values["forced"], one.values[name]] for one in having])
            return combined_rate(
                columns,
                lambda means: harmonic_mean(means[:, 0], means[:, 1]),
                _weighting(having),
                seed,
            )
    return None


def _weighting(measured: Sequence[Measured]) -> Weighting:
    """Every pair of languages counts the same, and within it every data set."""
    answers = [one.answer for one in measured]
    clusters: list[Hashable] = [
        one.cluster or one.prompt or number for number, one in enumerate(answers)
    ]
    return Weighting.balanced(
        [one.pair for one in answers], clusters, [one.dataset for one in answers]
    )
