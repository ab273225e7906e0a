"""Lines and words of an answer, in any script."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from langsteer.text.scripts import CJK, family_of, script_word
from langsteer.text.tags import likely_script, parts

UNSPACED = frozenset({"HAN", "KANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
"""Scripts that put no space between words."""
LETTERS_PER_WORD = 2
"""In these scripts so many letters count as one word: a word of Chinese or Japanese has about two.
"""
CACHE = 16384
CJK_LETTERS = {
    "Hans": frozenset({"HAN"}),
    "Hant": frozenset({"HAN"}),
    "Jpan": frozenset({"HAN", "KANA"}),
    "Kore": frozenset({"HANGUL", "HAN"}),
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word and the script it is in: ``LATIN``, ``HAN``, ``KANA``, ..."""

    text: str
    script: str


def lines(text: str) -> list[str]:
    """The lines that are not blank."""
    return [line for line in text.split("\n") if line.strip()]


@lru_cache(maxsize=CACHE)
def words(text: str) -> tuple[Word, ...]:
    """The words of a text: what stands between spaces, without digits and punctuation.

    A word ends where the script changes. In scripts without spaces, two letters are a word.
    """
    pieces = unicodedata.normalize("NFKC", text).split()
    return tuple(word for piece in pieces for word in _words_of(piece))


@lru_cache(maxsize=4 * CACHE)
def _words_of(piece: str) -> tuple[Word, ...]:
    """The words of what stands between two spaces."""
    found: list[Word] = []
    for script, run in groupby(_letters(piece), key=lambda one: one[1]):
        spelt = [letter for letter, _ in run]
        size = LETTERS_PER_WORD if script in UNSPACED else len(spelt)
        found += [
            Word("".join(spelt[start : start + size]), script)
            for start in range(0, len(spelt), size)
        ]
    return tuple(found)


def scripts_of(tag: str) -> frozenset[str]:
    """The scripts that a language is written in; empty where the CLDR has none."""
    family = family_of(tag)
    if family == CJK:
        return CJK_LETTERS.get(likely_script(parts(tag)) or "", frozenset({"HAN"}))
    return frozenset() if family is None else frozenset({family})


def _letters(piece: str) -> list[tuple[str, str]]:
    """Each letter with its combining marks, and its script."""
    found: list[tuple[str, str]] = []
    for one in piece:
        if script := script_word(one):
            found.append((one, script))
        elif found and unicodedata.category(one).startswith("M"):
            found[-1] = (found[-1][0] + one, found[-1][1])
    return found
