"""Answers that are no answers: empty, in no language, or the same over and over."""

from __future__ import annotations

from collections.abc import Sequence

from langsteer.evaluation.cases import Outcome
from langsteer.text.degeneration import degenerate

MOSTLY = 0.5


def is_degenerate(outcome: Outcome) -> bool:
    """Whether an answer is in no language that can be told, or says nothing."""
    return outcome.verdict.language is None or degenerate(outcome.answer)


def mostly_degenerate(outcomes: Sequence[Outcome]) -> bool:
    """Whether more than half of the answers are degenerate: not worth asking on."""
    return sum(map(is_degenerate, outcomes)) > MOSTLY * len(outcomes)
