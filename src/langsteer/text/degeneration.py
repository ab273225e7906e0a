"""Signs that a text has fallen apart: it repeats itself, is empty, or goes on for ever."""

from __future__ import annotations

from langsteer.text.segments import words

N_GRAM = 4


def repetition(text: str, n: int = N_GRAM) -> float | None:
    """Share of the word n-grams that stood before in the text; None for a text without any.

    1 - unique / all, called seq-rep-n by Welleck et al., "Neural Text Generation with Unlikelihood
    Training" (ICLR 2020), section 6.1. Case does not count.
    """
    spelt = [word.text.casefold() for word in words(text)]
    grams = [tuple(spelt[start : start + n]) for start in range(len(spelt) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else None


def length(text: str) -> int:
    """The number of words; in scripts without spaces, two letters are a word."""
    return len(words(text))
