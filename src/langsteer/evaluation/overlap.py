"""How much an answer has in common with reference texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from langsteer.errors import MissingExtraError, optional_imports
from langsteer.evaluation.judge import normalised, occurs


def exact(answer: str, references: Sequence[str]) -> float | None:
    """1 if the answer is one of the references, apart from outer white space; None without any."""
    if not references:
        return None
    return float(answer.strip() in {one.strip() for one in references})


def normalised_match(answer: str, references: Sequence[str]) -> float | None:
    """As :func:`exact`, but without regard to case, spacing and outer punctuation."""
    if not references:
        return None
    return float(normalised(answer) in {normalised(one) for one in references})


def contained(answer: str, references: Sequence[str]) -> float | None:
    """1 if one of the references occurs in the answer as words; None without references."""
    if not references:
        return None
    text = normalised(answer)
    return float(any(occurs(normalised(one), text) for one in references))


def chrf(answer: str, references: Sequence[str]) -> float | None:
    """chrF of one answer, 0 to 1; None without references.

    The F-score of character n-grams up to 6 with recall weighed twice (Popović, "chrF: character
    n-gram F-score for automatic MT evaluation", WMT 2015), as sacrebleu computes it.

    Raises:
        LangsteerError: sacrebleu is not installed.
    """
    if not references:
        return None
    return float(_scorer().sentence_score(answer, list(references)).score) / 100


def has_chrf() -> bool:
    """Whether sacrebleu is installed."""
    try:
        _scorer()
    except MissingExtraError:
        return False
    return True


@cache
def _scorer() -> Any:
    with optional_imports():
        metrics = import_module("sacrebleu.metrics.chrf")
    return metrics.CHRF()
