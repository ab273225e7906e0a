"""Which language a text is in, offline, among the languages in play.

The script decides where it can; among languages of one script (Latin, Cyrillic, ...) the n-gram
models of lingua do. A text that speaks for no language clearly enough has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from lingua import ConfidenceValue, Language, LanguageDetectorBuilder

from langsteer.errors import LanguageError
from langsteer.text.scripts import CJK, CJK_SCRIPTS, east_asian, family_of, letters_of, main_family
from langsteer.text.tags import display_name, likely_script, normalise, parts

THRESHOLD = 0.5
"""Probability above which a language counts as detected: more likely than all others together.

Measured on pieces of news of 1, 2, 3, 5, 8 and 15 words in en, de, nl, fr, es, pt, ru, uk, zh, ja,
ar and hi: 70, 80, 88, 95, 98 and 100 % have a language, which is right in 92, 94, 98, 99.0, 99.6
and 99.6 % of these cases. A higher threshold loses more right answers than it avoids wrong ones.
"""
LEAST_LETTERS = 2
"""Letters that the n-gram models need: of what they say of one letter, less than half is right."""
ALIASES = {"no": "nb"}
"""Language subtags that lingua knows under another one."""

OWN_LETTERS = {"mt": frozenset("ċġħĊĠĦ")}
"""Languages that lingua lacks → letters that no other language of the same script has there."""
OWN_SHARE = 0.005
"""Share of a text's letters that must be such: more than a name or two. In Maltese it is 4 %."""

Verdict = tuple[str | None, float]
"""The language that a text is in, if any, and the confidence in the best candidate."""
Judge = Callable[[Sequence[str]], list[Verdict]]
"""Says of each text which of its languages it is in."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The language of a text."""

    language: str | None
    """BCP-47 tag, or ``None``: no letters, too short, ambiguous, or in a script of no candidate."""
    confidence: float
    """0 to 1: of the language or, where there is none, of the best candidate if there is one.

    Among languages of one script their probability; where the script decides, the share of letters
    that fit.
    """


class Detector(Protocol):
    """Says which language texts are in."""

    def detect(self, text: str) -> Detection:
        """The language of one text."""
        ...

    def detect_many(self, texts: Sequence[str]) -> list[Detection]:
        """The language of each text, in order."""
        ...


UNKNOWN = Detection(None, 0.0)


class LinguaDetector:
    """Detection among given languages; may be used from several threads.

    The models are loaded with the first text that needs them, for the languages in play alone.

    Args:
        languages: The languages in play, as BCP-47 tags. They come back normalised.
        besides: Languages that a text may also be in but that are not in play: it is detected as
            ``None`` then. A text in a language that is neither named here nor in play is taken for
            one of the same script in about half of all cases, and hardly ever if it is named.

    Raises:
        LanguageError: one cannot be told from the others (:func:`undetectable`) or is not a tag.
    """

    def __init__(self, languages: Sequence[str], *, besides: Sequence[str] = ()) -> None:
        self.languages = tuple(dict.fromkeys(map(normalise, languages)))
        everything = tuple(dict.fromkeys((*self.languages, *map(normalise, besides))))
        if lacking := undetectable(everything):
            names = ", ".join(f"{one!r} ({display_name(one)})" for one in lacking)
            raise LanguageError(
                f"the detector cannot tell {names} from the other languages in play: "
                f"{', '.join(everything)}. Leave out what it cannot tell, or use another detector."
            )
        self.judges = {
            family: judge_of(family, members) for family, members in by_family(everything).items()
        }

    def detect(self, text: str) -> Detection:
        """The language of one text."""
        return self.detect_many([text])[0]

    def detect_many(self, texts: Sequence[str]) -> list[Detection]:
        """The language of each text, in order; each different text is looked at once."""
        families = defaultdict(list)
        for text in dict.fromkeys(texts):
            families[main_family(letters_of(text))].append(text)
        found = {}
        for family, members in families.items():
            if family in self.judges:
                for text, verdict in zip(members, self.judges[family](members), strict=True):
                    found[text] = self._detection(*verdict)
        return [found.get(text, UNKNOWN) for text in texts]

    def _detection(self, language: str | None, confidence: float) -> Detection:
        return Detection(language if language in self.languages else None, confidence)


def detect_lines(detector: Detector, text: str) -> list[Detection]:
    """The language of each line of a text, for texts that change language on their way."""
    return detector.detect_many(text.splitlines())


def undetectable(languages: Sequence[str]) -> tuple[str, ...]:
    """Those of the languages that :class:`LinguaDetector` cannot tell from the others.

    These are: of several in one script, those that lingua lacks (``fo`` beside ``da``) or takes for
    one that came before (``pt-BR`` after ``pt``), and any whose script the CLDR does not know.
    ``mt`` is told by its letters.
    """
    tags = tuple(dict.fromkeys(map(normalise, languages)))
    lacking = {one for one in tags if family_of(one) is None}
    for family, members in by_family(tags).items():
        if family != CJK and len(members) == 1:
            continue
        seen: set[Language | str] = set()
        for one in members:
            if one in OWN_LETTERS:
                continue
            known = cjk_script(one) if family == CJK else lingua_language(one)
            if known is None or known in seen:
                lacking.add(one)
            else:
                seen.add(known)
    return tuple(one for one in tags if one in lacking)


def by_family(tags: Sequence[str]) -> dict[str, list[str]]:
    """Family of scripts → the languages that are written in it."""
    families = defaultdict(list)
    for one in tags:
        if family := family_of(one):
            families[family].append(one)
    return dict(families)


def judge_of(family: str, members: Sequence[str]) -> Judge:
    """What tells the languages of one family of scripts apart."""
    if family == CJK:
        known = {str(cjk_script(one)): one for one in members}
        return lambda texts: [east_asian(text, known) for text in texts]
    if len(members) == 1:
        return lambda texts: [(members[0], 1.0)] * len(texts)
    own = {one: OWN_LETTERS[one] for one in members if one in OWN_LETTERS}
    return by_letters(own, n_grams([one for one in members if one not in own]))


def by_letters(own: Mapping[str, frozenset[str]], others: Judge) -> Judge:
    """Texts with letters of a language's own are in it; what is left is for others to judge."""

    def judge(texts: Sequence[str]) -> list[Verdict]:
        found = {text: one for text in texts for one in own if _has(text, own[one])}
        left = [text for text in texts if text not in found]
        rest = dict(zip(left, others(left), strict=True))
        return [(found[text], 1.0) if text in found else rest[text] for text in texts]

    return judge if own else others


def _has(text: str, letters: frozenset[str]) -> bool:
    share = OWN_SHARE * sum(map(str.isalpha, text))
    return sum(map(letters.__contains__, text)) > share


def n_grams(members: Sequence[str]) -> Judge:
    """Tells languages of one script apart by the n-gram models of lingua."""
    tags = {lingua_language(one): one for one in members}
    if len(tags) == 1:
        return lambda texts: [(members[0], 1.0)] * len(texts)
    # Nothing is loaded here: lingua loads a model when a text first needs it.
    detector = LanguageDetectorBuilder.from_languages(*filter(None, tags)).build()

    def verdict(text: str, best: ConfidenceValue) -> Verdict:
        # lingua adds in another order each time: the last digits are noise.
        confidence = round(best.value, 6)
        clear = confidence > THRESHOLD and sum(map(str.isalpha, text)) >= LEAST_LETTERS
        return tags[best.language] if clear else None, confidence

    def judge(texts: Sequence[str]) -> list[Verdict]:
        if len(texts) == 1:
            values = [detector.compute_language_confidence_values(texts[0])]
        else:
            values = detector.compute_language_confidence_values_in_parallel(list(texts))
        return [verdict(text, found[0]) for text, found in zip(texts, values, strict=True)]

    return judge


def cjk_script(tag: str) -> str | None:
    """The script of an East Asian language; ``None`` for one that is not told by its script."""
    script = likely_script(parts(tag))
    return script if script in CJK_SCRIPTS else None


def lingua_language(tag: str) -> Language | None:
    """What lingua calls a language; ``None`` where lingua lacks it in this script."""
    wanted = parts(tag)
    known = ALIASES.get(wanted.language, wanted.language)
    if likely_script(parts(known)) != likely_script(wanted):
        return None
    return lingua_languages().get(known)


@cache
def lingua_languages() -> dict[str, Language]:
    """BCP-47 tag → lingua's language."""
    return {normalise(one.iso_code_639_1.name.lower()): one for one in Language.all()}


def with_others(languages: Sequence[str]) -> tuple[str, ...]:
    """The languages, and after them every other one that can be told from them.

    For texts that may be in any language: what is not among the candidates is taken for one.
    """
    tags = tuple(dict.fromkeys(map(normalise, languages)))
    others = [one for one in (*lingua_languages(), *OWN_LETTERS) if one not in tags]
    lacking = set(undetectable((*tags, *others)))
    return (*tags, *(one for one in others if one not in lacking))
