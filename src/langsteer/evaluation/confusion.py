"""In which language an answer is: as a whole, by line, by word, and where it begins.

Whole answers as in CLaS-Bench (language forcing success), lines and words as in the language
confusion benchmark (Marchisio et al., "Understanding and Mitigating Language Confusion in LLMs",
EMNLP 2024, section 3). ``docs/metrics.md`` says where the detector and the tokeniser differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from langsteer.text.detect import Detection, Detector
from langsteer.text.segments import Word, lines, scripts_of, words

LEAST_WORDS = 5
"""Shorter lines are not judged, and stretches of so many words are judged by themselves."""
LEAST_LETTERS = 4
"""Shorter Latin words are not counted as errors: they may be abbreviations or units."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Languages and scripts in one answer; None where there is nothing to judge."""

    language: str | None
    """Of the whole answer; None if it cannot be said."""
    forced: float
    """1 if the whole answer is in the target language (LFS)."""
    line_pass: float | None
    """1 if all lines of five or more words are in the target language (LPR)."""
    word_pass: float | None
    """Of an answer that passes by line, into a script other than Latin: 1 if it holds no lower-case
    Latin word of four or more letters (WPR).
    """
    line_switch: float | None
    """Share of the lines of five or more words that are not in the target language."""
    script_switch: float | None
    """Share of the words in a script that the target language is not written in."""
    language_switch: float | None
    """Share of the words in stretches of five or more that are in another known language."""
    first_word: float | None
    """1 if the first word is in the target language, 0 if in another, None if that is unclear."""


def confusions(
    answers: Sequence[tuple[str, str]],
    detector: Detector,
    *,
    lexicon: Collection[str] | None = None,
) -> list[Confusion]:
    """What is found in each answer, given with its target language.

    Args:
        answers: Text and target language of each.
        detector: Says which language a text is in; asked once for each different text.
        lexicon: Lower-case words that count as errors by word, such as a list of English ones; by
            default all Latin words do.
    """
    parts = [_Parts.of(text) for text, _ in answers]
    texts = list(dict.fromkeys(piece for one in parts for piece in one.texts))
    found = dict(zip(texts, detector.detect_many(texts), strict=True))
    return [
        _confusion(one, target, found, lexicon)
        for one, (_, target) in zip(parts, answers, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of an answer is shown to the detector, and its words."""

    whole: str
    words: tuple[Word, ...]
    lines: list[str]
    stretches: list[tuple[str, int]]
    """Text and number of words."""
    first: str | None

    @classmethod
    def of(cls, text: str) -> _Parts:
        judged = [line for line in lines(text) if len(words(line)) >= LEAST_WORDS]
        first = next((piece for piece in text.split() if words(piece)), None)
        return cls(text, words(text), judged, [s for one in judged for s in stretches(one)], first)

    @property
    def texts(self) -> list[str]:
        short = [text for text, _ in self.stretches]
        return [self.whole, *self.lines, *short, *([] if self.first is None else [self.first])]


def stretches(line: str) -> list[tuple[str, int]]:
    """A line cut at spaces into pieces of at least five words, each with its number of words."""
    found: list[tuple[list[str], int]] = []
    pieces: list[str] = []
    count = 0
    for piece in line.split():
        pieces.append(piece)
        count += len(words(piece))
        if count >= LEAST_WORDS:
            found.append((pieces, count))
            pieces, count = [], 0
    if pieces and found:
        last, before = found.pop()
        found.append(([*last, *pieces], before + count))
    return [(" ".join(joined), number) for joined, number in found]


def _confusion(
    parts: _Parts, target: str, found: Mapping[str, Detection], lexicon: Collection[str] | None
) -> Confusion:
    language = found[parts.whole].language
    wrong = [found[line].language != target for line in parts.lines]
    switch = sum(wrong) / len(wrong) if wrong else None
    return Confusion(
        language=language,
        forced=float(language == target),
        line_pass=None if switch is None else float(switch == 0),
        word_pass=_word_pass(parts, target, lexicon) if switch == 0 else None,
        line_switch=switch,
        script_switch=_script_switch(parts.words, target),
        language_switch=_language_switch(parts, target, found),
        first_word=_first_word(parts.first, target, found),
    )


def _word_pass(parts: _Parts, target: str, lexicon: Collection[str] | None) -> float | None:
    if "LATIN" in scripts_of(target):
        return None
    latin = (word.text for line in parts.lines for word in words(line) if word.script == "LATIN")
    return float(
        not any(
            word.islower() and len(word) >= LEAST_LETTERS and (lexicon is None or word in lexicon)
            for word in latin
        )
    )


def _script_switch(found: Sequence[Word], target: str) -> float | None:
    own = scripts_of(target)
    if not found or not own:
        return None
    return sum(word.script not in own for word in found) / len(found)


def _language_switch(parts: _Parts, target: str, found: Mapping[str, Detection]) -> float | None:
    total = sum(count for _, count in parts.stretches)
    other = sum(
        count for text, count in parts.stretches if found[text].language not in (None, target)
    )
    return other / total if total else None


def _first_word(first: str | None, target: str, found: Mapping[str, Detection]) -> float | None:
    if first is None or found[first].language is None:
        return None
    return float(found[first].language == target)
