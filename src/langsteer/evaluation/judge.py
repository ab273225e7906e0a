"""Was the answer in the right language, and was it the right answer?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from langsteer.data.prompts import Prompt, PromptSet
from langsteer.text.detect import Detector

UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""How the Unicode names of characters begin in scripts without spaces between words."""
BETWEEN_NAMES = re.compile(r'["“”„«»「」,،、;]+')


@dataclass(frozen=True)
class Verdict:
    """What was found about one answer."""

    language: str | None
    """The language it is in; None where that cannot be said."""
    language_right: bool
    meaning_right: bool | None
    """Whether the right answer stands in it, whatever the language; None where there is no key."""

    @property
    def both(self) -> bool | None:
        """Whether language and meaning are right; None where there is no key."""
        return None if self.meaning_right is None else self.language_right and self.meaning_right


def normalised(text: str) -> str:
    """Compatibility form, no case, no outer punctuation, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = " ".join(folded.split())
    start, end = 0, len(words)
    while start < end and not words[start].isalnum():
        start += 1
    # A combining mark at the end belongs to the last letter and stays.
    while end > start and unicodedata.category(words[end - 1])[0] not in "LNM":
        end -= 1
    return words[start:end]


def names(answer: str) -> list[str]:
    """The names in an answer that is one name or a list of names."""
    return [name for part in BETWEEN_NAMES.split(answer) if (name := normalised(part))]


def has_meaning(answer: str, prompt: Prompt, target: str) -> bool | None:
    """Whether the answer holds what the references in the target language ask for; None without
    any.

    In a lexical answer the names must be equal, in a sentence it is enough that they occur as
    words.
    """
    groups = prompt.expected(target)
    if not groups:
        return None
    if prompt.lexical:
        found = set(names(answer))
        return all(any(normalised(name) in found for name in group) for group in groups)
    text = normalised(answer)
    return all(any(occurs(normalised(name), text) for name in group) for group in groups)


def occurs(name: str, text: str) -> bool:
    """Whether a name stands in a text, and not as a part of a longer word.

    Scripts that put no space between words have no such boundary: there it is enough to occur.
    """
    if not name:
        return False
    before = "" if _unspaced(name[0]) else r"(?<!\w)"
    after = "" if _unspaced(name[-1]) else r"(?!\w)"
    return re.search(before + re.escape(name) + after, text) is not None


def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(UNSPACED)


def answerable(prompt: Prompt, target: str) -> bool:
    """False where the prompt has keys, but none for this language, or is for other languages."""
    if prompt.targets and target not in prompt.targets:
        return False
    return not prompt.references or bool(prompt.expected(target))


def distinguishable(prompt: Prompt, target: str) -> bool:
    """False where the right names are the same in both languages, so that none could show a
    change.
    """
    source, wanted = prompt.references.get(prompt.language), prompt.references.get(target)
    if not prompt.lexical or not source or not wanted:
        return True
    return not all(
        {normalised(name) for name in theirs} <= {normalised(name) for name in ours}
        for ours, theirs in zip(source, wanted, strict=True)
    )


class Judge:
    """Gives verdicts on answers, many at once."""

    def __init__(self, prompts: PromptSet, detector: Detector) -> None:
        self.detector = detector
        self.lexicon = {
            language: frozenset(normalised(name) for name in names)
            for language, names in prompts.lexicon.items()
        }

    def verdicts(self, cases: Sequence[tuple[Prompt, str, str]]) -> list[Verdict]:
        """One verdict per case; a case is a prompt, the target language and the answer."""
        found = [self._looked_up(*case) for case in cases]
        open_cases = [number for number, languages in enumerate(found) if languages is None]
        detected = self.detector.detect_many([cases[number][2] for number in open_cases])
        for number, detection in zip(open_cases, detected, strict=True):
            target = cases[number][1]
            agrees = self.detector.agrees(detection, target)
            spoken = target if agrees else detection.language
            found[number] = {spoken} if spoken else set()
        return [
            self._verdict(*case, languages or set())
            for case, languages in zip(cases, found, strict=True)
        ]

    def _looked_up(self, prompt: Prompt, target: str, answer: str) -> set[str] | None:
        """The languages in which all known names of a lexical answer exist; None: none is known."""
        if not prompt.lexical:
            return None
        found = [
            {language for language, known in self.lexicon.items() if name in known}
            for name in names(answer)
        ]
        known = [languages for languages in found if languages]
        return set.intersection(*known) if known else None

    @staticmethod
    def _verdict(prompt: Prompt, target: str, answer: str, languages: set[str]) -> Verdict:
        # A name that the source language shares is no evidence that the language changed.
        shared = target != prompt.language and prompt.language in languages
        right = target in languages and not shared
        if right:
            language: str | None = target
        elif prompt.language in languages:
            language = prompt.language
        else:
            language = min(languages, default=None)
        meaning = has_meaning(answer, prompt, target)
        return Verdict(language, right, meaning)
