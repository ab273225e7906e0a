"""Answers that are no answers: empty, in no language, or the same over and over."""

from __future__ import annotations

from collections.abc import Sequence

from langsteer.evaluation.judge import normalised
from langsteer.evaluation.runner import Outcome

FEW_WORDS = 8
VARIETY = 1 / 3
"""The least share of different words in a text of some length that says something."""
MOSTLY = 0.5


def is_degenerate(outcome: Outcome) -> bool:
    """Whether an answer is empty, in no language that can be told, or repeats itself."""
    return (
        not normalised(outcome.answer)
        or outcome.verdict.language is None
        or repeats(outcome.answer)
    )


def repeats(answer: str) -> bool:
    """Whether few of the words are different; of the characters where there are no spaces."""
    words = answer.split()
    units = words if len(words) > 1 else list(answer.strip())
    return len(units) >= FEW_WORDS and len(set(units)) < VARIETY * len(units)


def mostly_degenerate(outcomes: Sequence[Outcome]) -> bool:
    """Whether more than half of the answers are degenerate: not worth asking on."""
    return sum(map(is_degenerate, outcomes)) > MOSTLY * len(outcomes)
