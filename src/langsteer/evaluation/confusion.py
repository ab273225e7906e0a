"""In which language an answer is: as a whole, by line, by word, and where it begins.

Whole answers as in CLaS-Bench (language forcing success), lines and words as in the language
confusion benchmark (Marchisio et al., "Understanding and Mitigating Language Confusion in LLMs",
EMNLP 2024, section 3). ``docs/metrics.md`` says where the detector and the tokeniser differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from langsteer.text.answer import prose, visible
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
    forced: float | None
    """1 if the whole answer is in the target language (LFS); None if the detector cannot tell."""
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
    parts = [_Parts.of(prose(visible(text))) for text, _ in answers]
    texts = list(dict.fromkeys(piece for one in parts for piece in one.texts))
    found = dict(zip(texts, detector.detect_many(texts), strict=True))
    return [
        _confusion(one, _Judged(detector, target, found), lexicon)
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


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the detector says of pieces of text, for one target language."""

    detector: Detector
    target: str
    found: Mapping[str, Detection]

    def language(self, text: str) -> str | None:
        """The language of a piece: the target where they agree."""
        return self.target if self.right(text) else self.found[text].language

    def right(self, text: str) -> bool | None:
        """Whether a piece is in the target language; None if that cannot be told."""
        return self.detector.agrees(self.found[text], self.target)


def _confusion(parts: _Parts, judged: _Judged, lexicon: Collection[str] | None) -> Confusion:
    forced = judged.right(parts.whole)
    verdicts = [judged.right(line) for line in parts.lines]
    told = [right for right in verdicts if right is not None]
    switch = sum(not right for right in told) / len(told) if told else None
    return Confusion(
        language=judged.language(parts.whole),
        forced=None if forced is None else float(forced),
        line_pass=None if switch is None else float(switch == 0),
        word_pass=_word_pass(parts, judged.target, lexicon) if switch == 0 else None,
        line_switch=switch,
        script_switch=_script_switch(parts.words, judged.target),
        language_switch=_language_switch(parts, judged),
        first_word=_first_word(parts.first, judged),
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


def _language_switch(parts: _Parts, judged: _Judged) -> float | None:
    known = [(text, count) for text, count in parts.stretches if judged.right(text) is not None]
    total = sum(count for _, count in known)
    other = sum(
        count
        for text, count in known
        if judged.found[text].language is not None and not judged.right(text)
    )
    return other / total if total else None


def _first_word(first: str | None, judged: _Judged) -> float | None:
    if first is None or judged.found[first].language is None:
        return None
    right = judged.right(first)
    return None if right is None else float(right)
