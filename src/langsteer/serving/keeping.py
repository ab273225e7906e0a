"""Keep an answer in a language: look at what is written, and write it anew where it drifts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Literal

from langsteer.edits.edit import Edit
from langsteer.text.answer import prose, thinking_depth, visible
from langsteer.text.detect import (
    UNKNOWN,
    Detection,
    Detector,
    default_detector,
    families_of,
    with_others,
)

HELD = 16
"""Tokens that are held back until their language has been looked at: some ten words."""
STRENGTHS = (1.0, 1.5)
"""How strongly an answer is steered the first time that it drifts to a language, and the second."""
SURE = 0.9
"""Confidence of the detector from which a text is taken to be in another language.

Of beginnings of 40 letters, right ones are taken for another language in 0.02 % then, and in 0.5 %
at the detector's own threshold; 6 % are not sure, and 1 % at 100 letters (twelve languages of
NTREX-128, 4,800 beginnings).
"""
FENCE, THINKING = "```", "<think>"

Verdict = Edit | Literal["go", "wait"]


@dataclass
class Keeper:
    """Says of each stretch of an answer whether it is in the language to be kept.

    An answer begins as the model gives it. A stretch in another language is never shown: it is
    written anew, and from there on the answer is steered from that language to the one to be kept.
    An answer that does not drift is that of the model without any edit.

    `language` is that to be kept, None as long as it is not read; `detect` says which language a
    text is in; `edit` makes the edit from one language to another, times a strength; `thinking` is
    how many thoughts are open where the prompt ends. Thinking, code and quotations are in whatever
    language they are.
    """

    language: str | None
    detect: Callable[[str], Detection]
    edit: Callable[[str, str, float], Edit]
    thinking: int = 0
    _tried: Counter[str] = field(default_factory=Counter)

    @property
    def begun_anew(self) -> int:
        """How often a stretch was written anew."""
        return self._tried.total()

    def judge(self, said: str, stretch: str, tokens: int, *, over: bool) -> Verdict:
        """Look at what was written since the last `go`.

        Args:
            said: the answer up to there.
            stretch: what was written since.
            tokens: how many tokens that is.
            over: whether the answer ends here.

        Returns:
            `go` if it can be shown, `wait` if more must be seen, or the edit to write it anew with.
        """
        if tokens < HELD and not over:
            return "wait"
        own = self._own_words(said, stretch)
        if own is None:
            return "go"
        found = self.detect(own)
        tag = found.language if self._sure(found) else None
        if tag is None and tokens < 2 * HELD and not over:
            return "wait"
        if tag is None or self.language in (None, tag) or self._tried[tag] == len(STRENGTHS):
            return "go"
        self._tried[tag] += 1
        return self.edit(tag, str(self.language), STRENGTHS[self._tried[tag] - 1])

    def _sure(self, found: Detection) -> bool:
        """Whether it is that language, or surely another than that to be kept."""
        if self.language in (None, found.language) or found.confidence >= SURE:
            return True
        return found.family not in families_of(str(self.language))  # its script says so

    def _own_words(self, said: str, stretch: str) -> str | None:
        """What of a stretch is the answer in its own words; None while it thinks."""
        before = thinking_depth(said, self.thinking)
        before = self.thinking if before is None else before
        after = thinking_depth(stretch, before)
        if before if after is None else after:
            return None
        shown = visible(THINKING * before + stretch)
        return prose(f"{FENCE}\n{shown}" if said.count(FENCE) % 2 else shown)


class Heard(Enum):
    """What a message says of its language where it is not sure to be one of some."""

    NOTHING = "no words, or too few to tell"
    DOUBT = "one of them, but it is not sure which"
    ANOTHER = "a language that is none of them"


def detection(text: str, languages: tuple[str, ...]) -> Detection:
    """Which of these languages a text is in."""
    return _detector(languages).detect(text) if languages else UNKNOWN


def heard(message: str, languages: tuple[str, ...]) -> str | Heard:
    """The language of a message, if it is sure to be one of these, told from all others."""
    found = _detector(with_others(languages)).detect(message)
    if found.language is not None and found.confidence >= SURE:
        return found.language if found.language in languages else Heard.ANOTHER
    return Heard.NOTHING if detection(message, languages).language is None else Heard.DOUBT


@lru_cache(maxsize=16)
def _detector(languages: tuple[str, ...]) -> Detector:
    return default_detector(languages)
