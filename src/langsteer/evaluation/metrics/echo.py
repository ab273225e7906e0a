"""How much of an answer only says the prompt again."""

from __future__ import annotations

from langsteer.evaluation.metrics.metric import Metric, Sight
from langsteer.text.segments import words

N_GRAM = 4


def echo(seen: Sight) -> float | None:
    """Share of the answer's word 4-grams that stand in the prompt; None for either without any.

    Case does not count. An answer that repeats the question is in the right language where the
    question is, and contains what the question names.
    """
    answered, asked = (_grams(text) for text in (seen.text, seen.answer.prompt or ""))
    if not answered or not asked:
        return None
    return sum(gram in set(asked) for gram in answered) / len(answered)


def _grams(text: str) -> list[tuple[str, ...]]:
    spelt = [word.text.casefold() for word in words(text)]
    return [tuple(spelt[start : start + N_GRAM]) for start in range(len(spelt) - N_GRAM + 1)]


METRICS = (Metric("echo", "word 4-grams copied from the prompt", "low", value=echo),)
