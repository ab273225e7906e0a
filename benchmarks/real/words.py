"""Words with names in every language, from CLDR by way of babel: countries, months, days, tongues.

Babel is needed: it comes with `pip install langsteer[dev]`.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from babel import Locale
from texts import LANGUAGES

SHARES = {"train": (0.0, 0.3), "dev": (0.3, 0.5), "test": (0.5, 1.0)}
COUNTRIES = [
    "AR",
    "AT",
    "AU",
    "BE",
    "BR",
    "CA",
    "CH",
    "CL",
    "CN",
    "CO",
    "CU",
    "CZ",
    "DE",
    "DK",
    "EG",
    "ES",
    "FI",
    "FR",
    "GB",
    "GR",
    "HU",
    "ID",
    "IE",
    "IL",
    "IN",
    "IQ",
    "IR",
    "IS",
    "IT",
    "JP",
    "KE",
    "KR",
    "LB",
    "MA",
    "MX",
    "NG",
    "NL",
    "NO",
    "NZ",
    "PE",
    "PH",
    "PK",
    "PL",
    "PT",
    "RO",
    "RU",
    "SA",
    "SE",
    "SY",
    "TH",
    "TN",
    "TR",
    "UA",
    "US",
    "VN",
    "ZA",
]
TONGUES = [
    "ar",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "es",
    "fi",
    "fr",
    "he",
    "hi",
    "hu",
    "id",
    "it",
    "ja",
    "ko",
    "la",
    "nl",
    "no",
    "pl",
    "pt",
    "ro",
    "ru",
    "sv",
    "th",
    "tr",
    "uk",
    "vi",
    "zh",
]
SHOTS = 4


@dataclass(frozen=True, eq=False)
class Word:
    """A concept with its name in each language."""

    concept: str
    kind: str
    names: Mapping[str, str]


@cache
def every() -> tuple[Word, ...]:
    """All words that are called differently in most languages."""
    places = {language: Locale.parse(language) for language in LANGUAGES}
    found = [
        Word(
            f"territory-{code}",
            "territory",
            {to: str(places[to].territories[code]) for to in places},
        )
        for code in COUNTRIES
    ]
    found += [
        Word(f"language-{code}", "language", {to: str(places[to].languages[code]) for to in places})
        for code in TONGUES
    ]
    found += [
        Word(
            f"month-{number}",
            "month",
            {to: str(places[to].months["stand-alone"]["wide"][number]) for to in places},
        )
        for number in range(1, 13)
    ]
    found += [
        Word(
            f"day-{number}",
            "day",
            {to: str(places[to].days["stand-alone"]["wide"][number]) for to in places},
        )
        for number in range(7)
    ]
    return tuple(one for one in found if len(set(one.names.values())) > len(LANGUAGES) / 2)


def words(split: str) -> list[Word]:
    """The words of a split; the concepts of the splits are different."""
    order = sorted(every(), key=lambda one: one.concept)
    random.Random(0).shuffle(order)
    low, high = SHARES[split]
    return order[round(low * len(order)) : round(high * len(order))]


def prompt(word: Word, source: str, output: str, shots: Sequence[Word]) -> str:
    """Four translated words, and one whose translation the model goes on with."""
    lines = [
        f'{_of(source)}: "{one.names[source]}" - {_of(output)}: "{one.names[output]}"'
        for one in shots
    ]
    return "\n".join([*lines, f'{_of(source)}: "{word.names[source]}" - {_of(output)}: "'])


def shots(word: Word, seed: str = "0") -> list[Word]:
    """The examples before a word: the same concepts in every language, never the word itself."""
    others = [one for one in words("train") if one.concept != word.concept]
    return random.Random(f"{seed} {word.concept}").sample(others, SHOTS)


def is_right(answer: str, word: Word, language: str) -> bool:
    """Whether the answer, up to its closing quote, is the name in this language."""
    return _plain(answer.partition('"')[0]) == _plain(word.names[language])


@cache
def _of(language: str) -> str:
    """What a language calls itself."""
    name = str(Locale.parse(language).languages[language])
    return name[:1].upper() + name[1:]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().casefold()
