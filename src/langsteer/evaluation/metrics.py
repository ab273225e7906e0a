"""All metrics of answers in one table, each with an interval.

A metric is a number for each answer, or nothing where it does not apply. ``docs/metrics.md`` says
of each where it comes from. Adding one is a field of :class:`Measured` and a line in ``METRICS``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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
from langsteer.evaluation.overlap import chrf, contained, exact, normalised_match
from langsteer.text.answer import visible
from langsteer.text.degeneration import length, repetition
from langsteer.text.detect import Detector

Better = Literal["high", "low", ""]
Kind = Literal["share", "number", "logarithm"]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is named and read."""

    name: str
    title: str
    better: Better
    kind: Kind = "share"
    """A share lies between 0 and 1; of logarithms the exponential of the mean is reported."""

    @property
    def share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return self.kind == "share"


METRICS: tuple[Metric, ...] = (
    Metric("forced", "whole answer in the target language", "high"),
    Metric("right_language", "right language, names looked up", "high"),
    Metric("right_meaning", "right meaning, every name", "high"),
    Metric("both", "right language and right meaning", "high"),
    Metric("line_pass", "all lines in the target language (LPR)", "high"),
    Metric("word_pass", "no Latin words in another script (WPR)", "high"),
    Metric("first_word", "first word in the target language", "high"),
    Metric("line_switch", "lines in another language", "low"),
    Metric("language_switch", "words in another language", "low"),
    Metric("script_switch", "words in another script", "low"),
    Metric("unknown", "answers in no known language", "low"),
    Metric("exact", "answer is a reference", "high"),
    Metric("normalised", "answer is a reference, normalised", "high"),
    Metric("contained", "answer contains a reference", "high"),
    Metric("chrf", "chrF against the references", "high"),
    Metric("similarity", "cosine of embeddings to the references", "high", "number"),
    Metric("judged", "rating by the judge", "high"),
    Metric("repetition", "repeated 4-grams of words", "low"),
    Metric("empty", "empty answers", "low"),
    Metric("perplexity", "perplexity under the unsteered model", "low", "logarithm"),
    Metric("length", "length in words", "", "number"),
)
BY_NAME = {metric.name: metric for metric in METRICS}
MEANINGS = ("judged", "contained")
"""What counts as meaning in the combined score: the first of these that there is."""


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
    with_chrf: bool = False,
    extra: Mapping[str, Sequence[float | None]] | None = None,
) -> list[Measured]:
    """The metrics of every answer that need no model.

    Args:
        answers: What to measure.
        detector: Says which language a text is in.
        lexicon: As for :func:`langsteer.evaluation.confusion.confusions`.
        with_chrf: Compare with the references by chrF, which needs sacrebleu.
        extra: Name of a metric in ``METRICS`` → its value for each answer, made elsewhere.

    Raises:
        LangsteerError: chrF is asked for and sacrebleu is not installed.
    """
    found = confusions([(one.text, one.target) for one in answers], detector, lexicon=lexicon)
    given = extra or {}
    measured = []
    for number, (one, confusion) in enumerate(zip(answers, found, strict=True)):
        text = visible(one.text)
        values: dict[str, float | None] = {
            "forced": confusion.forced,
            "line_pass": confusion.line_pass,
            "word_pass": confusion.word_pass,
            "first_word": confusion.first_word,
            "line_switch": confusion.line_switch,
            "language_switch": confusion.language_switch,
            "script_switch": confusion.script_switch,
            "unknown": None if confusion.forced is None else float(confusion.language is None),
            "exact": exact(text, one.references),
            "normalised": normalised_match(text, one.references),
            "contained": contained(text, one.references),
            "chrf": chrf(text, one.references) if with_chrf else None,
            "repetition": repetition(text),
            "empty": float(not text.strip()),
            "length": float(length(text)),
            **{name: column[number] for name, column in given.items()},
        }
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
