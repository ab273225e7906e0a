"""Keep an answer in a language: look at what is written, and write it anew where it drifts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Literal

from langsteer.edits.edit import Edit
from langsteer.text.detect import Detector, default_detector, with_others

HELD = 16
"""Tokens that are held back until their language has been looked at: some ten words."""
STRENGTHS = (1.0, 1.5)
"""How strongly an answer is steered the first time that it drifts to a language, and the second."""
SURE = 0.9
"""Confidence of the detector from which the text of a message alone decides."""
FENCE = "```"
"""What begins and ends code, which is in no language of people."""

Verdict = Edit | Literal["go", "wait"]


@dataclass
class Keeper:
    """Says of each stretch of an answer whether it is in the language to be kept.

    An answer begins as the model gives it. A stretch in another language is never shown: it is
    written anew, and from there on the answer is steered from that language to the one to be kept.
    An answer that does not drift is that of the model without any edit.

    `language` is that to be kept, None as long as it is not read; `detect` says which language a
    text is in, None if that is not sure; `edit` makes the edit from one language to another, times
    a strength.
    """

    language: str | None
    detect: Callable[[str], str | None]
    edit: Callable[[str, str, float], Edit]
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
        found = self.detect(stretch)
        if found is None and tokens < 2 * HELD and not over:
            return "wait"
        code = FENCE in stretch or said.count(FENCE) % 2
        if found is None or self.language in (None, found) or code:
            return "go"
        if self._tried[found] == len(STRENGTHS):
            return "go"
        self._tried[found] += 1
        return self.edit(found, str(self.language), STRENGTHS[self._tried[found] - 1])


class Heard(Enum):
    """What a message says of its language where it is not sure to be one of some."""

    NOTHING = "no words, or too few to tell"
    DOUBT = "one of them, but it is not sure which"
    ANOTHER = "a language that is none of them"


def language_of(text: str, languages: tuple[str, ...]) -> str | None:
    """The language that a text is in, of these; None if that is not sure, or there are none."""
    return _detector(languages).detect(text).language if languages else None


def heard(message: str, languages: tuple[str, ...]) -> str | Heard:
    """The language of a message, if it is sure to be one of these, told from all others."""
    found = _detector(with_others(languages)).detect(message)
    if found.language is not None and found.confidence >= SURE:
        return found.language if found.language in languages else Heard.ANOTHER
    return Heard.NOTHING if language_of(message, languages) is None else Heard.DOUBT


@lru_cache(maxsize=16)
def _detector(languages: tuple[str, ...]) -> Detector:
    return default_detector(languages)
