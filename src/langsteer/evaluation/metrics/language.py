"""In which language an answer is: as a whole, by line, by word, and where it begins."""

from __future__ import annotations

from langsteer.evaluation.metrics.metric import Metric, Sight


def _unknown(seen: Sight) -> float | None:
    if seen.confusion.forced is None:
        return None
    return float(seen.confusion.language is None)


METRICS = (
    Metric(
        "forced",
        "whole answer in the target language",
        "high",
        value=lambda seen: seen.confusion.forced,
    ),
    Metric("right_language", "right language, names looked up", "high"),
    Metric("right_meaning", "right meaning, every name", "high"),
    Metric("both", "right language and right meaning", "high"),
    Metric(
        "line_pass",
        "all lines in the target language (LPR)",
        "high",
        value=lambda seen: seen.confusion.line_pass,
    ),
    Metric(
        "word_pass",
        "no Latin words in another script (WPR)",
        "high",
        value=lambda seen: seen.confusion.word_pass,
    ),
    Metric(
        "first_word",
        "first word in the target language",
        "high",
        value=lambda seen: seen.confusion.first_word,
    ),
    Metric(
        "line_switch",
        "lines in another language",
        "low",
        value=lambda seen: seen.confusion.line_switch,
    ),
    Metric(
        "language_switch",
        "words in another language",
        "low",
        value=lambda seen: seen.confusion.language_switch,
    ),
    Metric(
        "script_switch",
        "words in another script",
        "low",
        value=lambda seen: seen.confusion.script_switch,
    ),
    Metric("unknown", "answers in no known language", "low", value=_unknown),
)
