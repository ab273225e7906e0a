"""Which language a text is in, offline, among the languages in play.

The script decides where it can; among languages of one script (Latin, Cyrillic, ...) the n-gram
models of :mod:`langsteer.text.ngrams` do. A text that speaks for no language clearly enough has
none.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from langsteer.text.ngrams import label_of, labels, probabilities
from langsteer.text.scripts import CJK, CJK_SCRIPTS, east_asian, family_of, letters_of, main_family
from langsteer.text.tags import likely_script, normalise, parts

THRESHOLD = 0.5
"""Probability above which a language counts as detected: more likely than all others together.

Chosen on the first half of NTREX-128 among 0.2, 0.3, ... 0.8 as the one with the most right minus
twice the wrong languages; on the second half it is within 0.1 points of the best.
"""
LEAST_LETTERS = 2
"""Letters that the n-gram models need: of what they say of one letter, less than half is right."""
PROXIES = {"ckb": ("sdh",), "ku-Arab": ("sdh",)}
"""Languages that the n-gram models lack in a script → those for which they take their texts."""
ONE = frozenset({"bs", "hr", "sr", "sr-Latn"})
"""Languages that count as one where they share a script: most sentences are right in all."""
SIBLINGS = (ONE, frozenset({"nb", "nn", "no"}), frozenset({"id", "ms"}))
"""Languages so close that short texts are often right in several of them."""
ALSO = {
    "az": ("Cyrl", "Arab"),
    "bs": ("Cyrl",),
    "kk": ("Arab", "Latn"),
    "ks": ("Deva",),
    "ku": ("Arab",),
    "ky": ("Arab", "Latn"),
    "mn": ("Mong",),
    "ms": ("Arab",),
    "pa": ("Arab",),
    "sd": ("Deva",),
    "sr": ("Latn",),
    "tg": ("Arab",),
    "tk": ("Cyrl", "Arab"),
    "tt": ("Latn",),
    "ug": ("Cyrl", "Latn"),
    "uz": ("Cyrl", "Arab"),
}
"""Languages that are written in other scripts, too, which their plain tag then stands for."""
RARE = frozenset({"an", "br", "dz", "eo", "fo", "fy", "la", "lb", "oc", "sa", "se"})
"""Languages that no model answers in by chance, but for which short texts could be taken."""

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
    family: str | None = None
    """The family of scripts that most letters are of, see :mod:`langsteer.text.scripts`."""


class Detector(Protocol):
    """Says which language texts are in."""

    @property
    def known(self) -> Collection[str] | None:
        """The languages that it can tell; ``None``: it does not say."""
        return None

    def agrees(self, found: Detection, target: str) -> bool | None:
        """Whether a text with this detection is in `target`; None if that cannot be told."""
        return found.language == target

    def detect(self, text: str) -> Detection:
        """The language of one text."""
        ...

    def detect_many(self, texts: Sequence[str]) -> list[Detection]:
        """The language of each text, in order."""
        ...


UNKNOWN = Detection(None, 0.0)


class ScriptDetector:
    """Detection among given languages; may be used from several threads.

    The models are loaded with the first text that needs them, for the languages in play alone.

    A language that cannot be told from the others (:func:`undetectable`) costs no other: texts in
    it are never detected as such, and :meth:`agrees` says of them what the script says.

    Args:
        languages: The languages in play, as BCP-47 tags. They come back normalised.
        besides: Languages that a text may also be in but that are not in play: it is detected as
            ``None`` then. A text in a language that is neither named here nor in play is taken for
            one of the same script in about half of all cases, and hardly ever if it is named.

    Raises:
        LanguageError: one is not a tag.
    """

    def __init__(self, languages: Sequence[str], *, besides: Sequence[str] = ()) -> None:
        self.languages = tuple(dict.fromkeys(map(normalise, languages)))
        everything = tuple(dict.fromkeys((*self.languages, *map(normalise, besides))))
        self.lacking = tuple(one for one in undetectable(everything) if one in self.languages)
        self._twins = _twins(self.languages, self.lacking)
        told = [one for one in everything if one not in undetectable(everything)]
        self.judges = {family: judge_of(family, each) for family, each in _in_scripts(told).items()}

    @property
    def known(self) -> frozenset[str]:
        """The languages in play that it can tell, by themselves or with a twin."""
        return frozenset(self.languages) - frozenset(self.lacking) | self._twins.keys()

    def agrees(self, found: Detection, target: str) -> bool | None:
        """Whether a text with this detection is in `target`; None if that cannot be told.

        Languages that the detector cannot tell apart count as one, if they share their script.
        """
        families = families_of(target)
        told = found.language and parts(found.language).language
        # Of one language in several scripts, the script decides.
        if told == parts(target).language and found.family in families - {CJK}:
            return True
        if target in self.known:
            twin = found.language in self._twins.get(target, ()) and found.family in families
            return found.language == target or twin
        return None if found.family is None or found.family in families else False

    def detect(self, text: str) -> Detection:
        """The language of one text."""
        return self.detect_many([text])[0]

    def detect_many(self, texts: Sequence[str]) -> list[Detection]:
        """The language of each text, in order; each different text is looked at once.

        Texts count in composed form (NFC): the n-gram models know no other.
        """
        composed = [unicodedata.normalize("NFC", text) for text in texts]
        families = defaultdict(list)
        for text in dict.fromkeys(composed):
            families[main_family(letters_of(text))].append(text)
        found = {}
        for family, members in families.items():
            verdicts: Sequence[Verdict] = [(None, 0.0)] * len(members)
            if family in self.judges:
                verdicts = self.judges[family](members)
            for text, verdict in zip(members, verdicts, strict=True):
                found[text] = self._detection(family, *verdict)
        return [found[text] for text in composed]

    def _detection(self, family: str | None, language: str | None, confidence: float) -> Detection:
        return Detection(language if language in self.languages else None, confidence, family)


def _twins(languages: Sequence[str], lacking: Sequence[str]) -> dict[str, frozenset[str]]:
    """Language in play → others in play under which its texts may be found as well."""
    twins: dict[str, set[str]] = defaultdict(set)
    for one in languages:
        if one in lacking:
            same = [
                other
                for other in languages
                if other not in lacking and _told_as(other) == _told_as(one) != (None, None)
            ]
            if same:
                twins[one].update(same)
        scripts = [one, *(f"{one}-{script}" for script in ALSO.get(one, ()))]
        if one in ONE:
            twins[one].update(ONE.intersection(languages) - {one})
        for other in languages:
            if other not in lacking and any(other in PROXIES.get(own, ()) for own in scripts):
                twins[one].add(other)
    return {one: frozenset(found) for one, found in twins.items() if found}


@cache
def families_of(tag: str) -> frozenset[str | None]:
    """The families of all scripts that a language is written in."""
    return frozenset({family_of(tag), *(family_of(f"{tag}-{one}") for one in ALSO.get(tag, ()))})


def _told_as(tag: str) -> tuple[str | None, object]:
    """Two languages with the same one, which is not None, cannot be told apart."""
    family = family_of(tag)
    known = cjk_script(tag) if family == CJK else label_of(tag)
    return (None, None) if known is None else (family, known)


def _in_scripts(tags: Sequence[str]) -> dict[str, list[str]]:
    """Family of scripts → the languages whose texts may be in it, those at home there first."""
    families = {family: list(members) for family, members in by_family(tags).items()}
    for one in tags:
        for script in ALSO.get(one, ()):
            family = str(family_of(f"{one}-{script}"))
            there = families.setdefault(family, [])
            # Beside others only where an n-gram model can speak for it.
            if one not in there and (not there or told_by(one, family, there)):
                there.append(one)
    return families


def detect_lines(detector: Detector, text: str) -> list[Detection]:
    """The language of each line of a text, for texts that change language on their way."""
    return detector.detect_many(text.splitlines())


def undetectable(languages: Sequence[str]) -> tuple[str, ...]:
    """Those of the languages that :class:`ScriptDetector` cannot tell from the others.

    These are: of several in one script, those that the n-gram models lack (``tlh`` beside ``de``)
    or take for one that came before (``pt-BR`` after ``pt``), and any whose script the CLDR does
    not know.
    """
    tags = tuple(dict.fromkeys(map(normalise, languages)))
    lacking = {one for one in tags if family_of(one) is None}
    for family, members in by_family(tags).items():
        if family != CJK and len(members) == 1:
            continue
        seen: set[str] = set()
        for one in members:
            known = [cjk_script(one)] if family == CJK else told_by(one, family, members)
            new = [each for each in known if each is not None and each not in seen]
            if new:
                seen.update(new)
            else:
                lacking.add(one)
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
    return n_grams(family, members)


def n_grams(family: str, members: Sequence[str]) -> Judge:
    """Tells languages of one script apart by their n-grams."""
    tags: dict[str, str] = {}
    for one in members:  # those at home in this script come first
        for label in told_by(one, family, members):
            tags.setdefault(label, one)
    if len(set(tags.values())) <= 1:
        return lambda texts: [(members[0], 1.0)] * len(texts)
    read = probabilities(tags)
    groups = {one: _siblings(one, set(tags.values())) for one in tags.values()}

    def verdict(text: str, found: dict[str, float]) -> Verdict:
        sums: dict[str, float] = {}
        for label, probability in found.items():  # labels that stand for one language add up
            sums[tags[label]] = sums.get(tags[label], 0.0) + probability
        best = max(sums, key=sums.__getitem__)
        # What siblings share speaks against the others, not against each of them.
        confidence = min(round(sum(sums[one] for one in groups[best]), 6), 1.0)
        clear = confidence > THRESHOLD and sum(map(str.isalpha, text)) >= LEAST_LETTERS
        return best if clear else None, confidence

    return lambda texts: [
        verdict(text, found) for text, found in zip(texts, read(texts), strict=True)
    ]


def _siblings(tag: str, members: Collection[str]) -> frozenset[str]:
    """The language and those members that are its siblings."""
    group = next((group for group in SIBLINGS if tag in group), frozenset[str]())
    return group.intersection(members) | {tag}


def told_by(tag: str, family: str, members: Sequence[str]) -> list[str]:
    """The labels of the n-gram models that speak for a language in one family of scripts.

    Its own if there is one in that script, else those of `PROXIES`, unless one is a member.
    """
    found = []
    for one in (tag, *(f"{tag}-{script}" for script in ALSO.get(tag, ()))):
        if family_of(one) == family:
            own = label_of(one)
            known = [labels().get(proxy) for proxy in _proxies(one, members)]
            found += [own] if own else [proxy for proxy in known if proxy]
    return list(dict.fromkeys(found))


def _proxies(tag: str, members: Sequence[str]) -> list[str]:
    found = PROXIES.get(tag, ())
    return [] if set(found) & set(members) else list(found)


def cjk_script(tag: str) -> str | None:
    """The script of an East Asian language; ``None`` for one that is not told by its script."""
    script = likely_script(parts(tag))
    return script if script in CJK_SCRIPTS else None


def with_others(languages: Sequence[str]) -> tuple[str, ...]:
    """The languages, and after them other large ones that can be told from them.

    For texts that may be in any language: what is not among the candidates is taken for one. Large
    are those with a code of two letters but for `RARE`. Siblings of a language that is given are
    not added: what is written in it would often be taken for them.
    """
    tags = tuple(dict.fromkeys(map(normalise, languages)))
    close = {one for group in SIBLINGS if group & set(tags) for one in group}
    large = [one for one in labels() if len(one) == 2 and one not in {*close, *RARE, *tags}]
    lacking = set(undetectable((*tags, *large)))
    return (*tags, *(one for one in large if one not in lacking))


def default_detector(languages: Sequence[str], *, besides: Sequence[str] = ()) -> ScriptDetector:
    """The detector for texts in these languages; arguments as for :class:`ScriptDetector`."""
    return ScriptDetector(languages, besides=besides)
