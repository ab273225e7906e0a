"""Signs that a text has fallen apart: it repeats itself, is empty, or goes on for ever."""

from __future__ import annotations

from langsteer.text.segments import words

N_GRAM = 4
LOOPING = 0.5
"""From this share of repeated word 4-grams a text goes round in circles."""
FEW_UNITS = 8
VARIETY = 1 / 3
"""The least share of different units in a text of some length that says something."""


def degenerate(text: str) -> bool:
    """Whether a text says nothing, or mostly what it has said before: the one definition of it.

    It has no letters and no digits; or at least half of its runs of four words stood in it before;
    or fewer than a third of its units are different. Units are what stands between spaces and, in
    scripts without spaces, pairs of letters; where there is but one, its characters.
    """
    if not any(map(str.isalnum, text)):
        return True
    if (repetition(text) or 0.0) >= LOOPING:
        return True
    units = [piece.casefold() for piece in text.split()]
    if len(units) < FEW_UNITS:
        spelt = [word.text.casefold() for word in words(text)]
        units = spelt if len(spelt) > len(units) else units
    if len(units) <= 1:
        units = list(text.strip())
    return len(units) >= FEW_UNITS and len(set(units)) < VARIETY * len(units)


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
