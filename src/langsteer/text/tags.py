"""Language tags: checked, brought to one form, and explained when they are wrong.

A tag is BCP-47 (RFC 5646): language, then optionally script, territory and one variant. What exists
and how it is called in English comes from the Unicode CLDR, see :mod:`langsteer.text.cldr`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, lru_cache

from langsteer.errors import LanguageError
from langsteer.text.cldr import Cldr, cldr, parse_locale

NO_LANGUAGE = frozenset({"mis", "mul", "root", "und", "zxx"})
"""Codes that stand for no one language: uncoded, several, unknown, none."""
APART = {"tw": "tw", "twi": "tw", "fat": "fat", "ajp": "ajp"}
"""Twi, Fanti and South Levantine Arabic: the CLDR calls the first two Akan and the last North
Levantine, but corpora such as FLORES-200 have them beside those, in files of their own.
"""
WITHIN = {("ko", "Hang"): "Kore"}
"""Scripts that are part of the one that a language is written in: Korean in Hangul is Korean."""
SHAPE = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
GLOTTOCODE = re.compile(r"[a-z]{4}[0-9]{4}")
"""A variety of a language in Glottolog, as FLORES+ writes it: ``twi_Latn_akua1239``. It has the
shape of a variant of a tag.
"""
SUGGESTIONS = 3
CACHE = 4096
LIKE_TAG = 0.5
LIKE_NAME = 0.75
"""How alike (``difflib`` ratio) a tag or a name must be to be suggested."""


@dataclass(frozen=True, slots=True)
class Tag:
    """The parts of a language tag, each in its canonical case; ``None`` for one that is absent."""

    language: str
    script: str | None = None
    territory: str | None = None
    variant: str | None = None

    def __str__(self) -> str:
        parts = (self.language, self.script, self.territory, self.variant)
        return "-".join(part for part in parts if part)


@lru_cache(maxsize=CACHE)
def normalise(tag: str) -> str:
    """The one form of a tag: ``PT-br`` → ``pt-BR``, ``rus`` → ``ru``, ``eng_Latn`` → ``en``.

    Aliases of the CLDR are replaced (``iw`` → ``he``, ``arb`` → ``ar``), and a script that goes
    without saying is left out (``zh-Hans`` → ``zh``, but ``zh-Hant`` stays).

    Raises:
        LanguageError: the CLDR has no such language; the message names the nearest that it has.
    """
    return str(parts(tag))


def display_name(tag: str) -> str:
    """The English name of a language: ``pt-BR`` → ``Portuguese (Brazil)``.

    A language that the CLDR knows but has no English name for is called by its tag.

    Raises:
        LanguageError: as for :func:`normalise`.
    """
    known = parts(tag)
    details = [
        table.get(part, part)
        for table, part in (
            (english().scripts, known.script),
            (english().territories, known.territory),
            (english().variants, known.variant and known.variant.upper()),
        )
        if part
    ]
    name: str = english().languages.get(known.language, known.language)
    return f"{name} ({', '.join(details)})" if details else name


def choose(tag: str, known: Sequence[str]) -> str:
    """The member of ``known`` that is the same language as ``tag``, as it is written there.

    Raises:
        LanguageError: none is. The message names the nearest of them, also for a name in English
            or in the language itself (``german``, ``Deutsch`` → ``de``) or a country's code
            (``cz`` → ``cs``).
    """
    by_tag = {normalise(one): one for one in known}
    try:
        wanted = normalise(tag)
    except LanguageError:
        wanted = ""
    if wanted in by_tag:
        return by_tag[wanted]
    names = {one: [display_name(one), *own_name(one)] for one in by_tag}
    found = [by_tag[one] for one in nearest(tag, names)]
    what = f"{display_name(wanted)} ({tag!r})" if wanted else repr(tag)
    raise LanguageError(
        f"{what} is not among the languages here: {', '.join(known) or 'there are none'}."
        f"{suggestion(found)} Give one of the tags listed."
    )


@lru_cache(maxsize=CACHE)
def parts(tag: str) -> Tag:
    """The parts of a tag after aliases are replaced and the obvious script is left out.

    Raises:
        LanguageError: as for :func:`normalise`.
    """
    read = parse(tag)
    if read is None:
        raise LanguageError(refusal(tag))
    return without_obvious_script(read)


@lru_cache(maxsize=CACHE)
def refusal(tag: str) -> str:
    """Why this is not a tag and what to write. Kept: a corpus may have the same one in each row."""
    return (
        f"{tag!r} is not a language tag.{suggestion(nearest(tag, named_languages()))} "
        "Use a BCP-47 tag such as 'en', 'pt-BR' or 'zh-Hant'."
    )


@lru_cache(maxsize=CACHE)
def parse(tag: str) -> Tag | None:
    """The parts of a tag, aliases replaced; ``None`` unless every part is in the CLDR."""
    if not SHAPE.fullmatch(tag):
        return None
    try:
        language, territory, script, variant = parse_locale(tag.replace("_", "-"), sep="-")[:4]
    except ValueError:
        return None
    # An alias may say more than a language: 'sh' is 'sr-Latn'. What the tag itself says goes first.
    alias = parse_locale(APART.get(language) or cldr().language_aliases.get(language, language))
    script, territory = script or alias[2], territory or alias[1]
    read = Tag(
        language=alias[0],
        script=script and cldr().script_aliases.get(script, script),
        territory=territory and current_territory(alias[0], territory),
        variant=variant and variant.lower(),
    )
    return read if exists(read) else None


def exists(tag: Tag) -> bool:
    """Whether the CLDR has every part of the tag."""
    return (
        tag.language in known_languages()
        and (tag.script is None or tag.script in english().scripts)
        and (tag.territory is None or tag.territory in english().territories)
        and (
            tag.variant is None
            or tag.variant.upper() in english().variants
            or GLOTTOCODE.fullmatch(tag.variant) is not None
        )
    )


def current_territory(language: str, territory: str) -> str:
    """The successor of a territory that is no more; of several, the home of the language."""
    successors = cldr().territory_aliases.get(territory, [])
    if not successors:
        return territory
    home = parse_locale(cldr().likely_subtags.get(language, language))[1]
    return home if home in successors else successors[0]


def without_obvious_script(tag: Tag) -> Tag:
    """The tag without its script, where language and territory already say which script it is."""
    obvious = likely_script(Tag(tag.language, None, tag.territory))
    script = WITHIN.get((tag.language, tag.script or ""), tag.script)
    return Tag(tag.language, None if script == obvious else script, tag.territory, tag.variant)


def likely_script(tag: Tag) -> str | None:
    """The script that a language is written in (CLDR, likely subtags): ``zh`` → ``Hans``."""
    if tag.script:
        return tag.script
    likely: Mapping[str, str] = cldr().likely_subtags
    relative = cldr().language_aliases.get(tag.language, tag.language)
    full = likely.get(f"{tag.language}_{tag.territory}") or likely.get(relative)
    return parse_locale(full)[2] if full else None


def nearest(tag: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys (tags) of ``names`` that someone who wrote ``tag`` may have meant, best first.

    All are there for one and the same reason, the first of these that anything fits: a tag of the
    same language, a language of this name, the language of the country with this code, a name that
    looks alike, a tag that looks alike. The last is not tried for a tag that is in order.
    """
    text = tag.strip().replace("_", "-").casefold()
    first = text.split("-", maxsplit=1)[0]
    read = parse(first)
    country = cldr().likely_subtags.get(f"und_{first.upper()}", "")
    scores: dict[str, float] = {}
    for one, called in names.items():
        language = one.split("-", maxsplit=1)[0]
        if read and language == read.language:
            scores[one] = 4
        elif text in (name.casefold() for name in called):
            scores[one] = 3
        elif country and language == parse_locale(country)[0]:
            scores[one] = 2
        elif like := max(alike(text, name, LIKE_NAME) for name in called):
            scores[one] = 1 + like
        elif not read and (like := alike(text, one, LIKE_TAG)):
            scores[one] = like
    ranked = sorted(scores, key=lambda one: (-scores[one], one))
    return [one for one in ranked if int(scores[one]) == int(scores[ranked[0]])][:SUGGESTIONS]


def alike(a: str, b: str, least: float) -> float:
    """How alike two strings are (0 to 1), whatever their case; 0 for less than ``least``."""
    # Their lengths alone bound the ratio, and rule most pairs out at no cost.
    if 2 * min(len(a), len(b)) < least * (len(a) + len(b)):
        return 0.0
    ratio = SequenceMatcher(a=a.casefold(), b=b.casefold()).ratio()
    return ratio if ratio >= least else 0.0


def suggestion(tags: Sequence[str]) -> str:
    """The sentence that asks whether one of the tags was meant; empty for none."""
    if not tags:
        return ""
    return f" Did you mean {' or '.join(f'{one!r} ({display_name(one)})' for one in tags)}?"


def own_name(tag: str) -> list[str]:
    """What a language calls itself, where the CLDR says."""
    name = cldr().own_names.get(parts(tag).language)
    return [name] if name else []


@cache
def english() -> Cldr:
    """The English names of languages, scripts, territories and variants."""
    return cldr()


@cache
def known_languages() -> frozenset[str]:
    """The language subtags of the CLDR, with and without an English name."""
    tags: set[str] = {*english().languages, *cldr().likely_subtags}
    languages = {one for one in tags if "_" not in one}
    aliases = cldr().language_aliases.keys()
    return frozenset(languages - NO_LANGUAGE - aliases | set(APART.values()))


@cache
def named_languages() -> dict[str, list[str]]:
    """Language subtag → its English name, for the languages that have one."""
    known = known_languages()
    return {one: [name] for one, name in english().languages.items() if one in known}
