"""Write the facts of the atlas, names and relations from the Unicode CLDR, to ``world.json``.

The names in twelve languages, the currency of each country and its official language come from the
Babel package, which carries the Unicode CLDR. The result is kept in the package, frozen: the model
of the atlas was trained on exactly these strings, and another release of the CLDR spells some of
them differently.

    python tools/make_atlas_world.py
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from pathlib import Path

import babel
from babel import Locale
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

LANGUAGES = ["en", "de", "nl", "fr", "es", "pt", "ru", "uk", "zh", "ja", "ar", "hi"]
OUTPUT = Path(__file__).parent.parent / "src" / "langsteer" / "atlas" / "world.json"
MAX_COUNTRIES_PER_CURRENCY = {"EUR": 12}
MAX_COUNTRIES_PER_LANGUAGE = 9
DEFAULT_PER_CURRENCY = 3
MAX_NAME_LENGTH = 16
MAX_CURRENCY_LENGTH = 26
EXTRA_LANGUAGES = ["ca", "eu", "gl", "la", "ga", "cy", "yi", "ta", "te", "mr", "yo", "zu"]
REGIONS = ["002", "005", "009", "011", "013", "014", "015", "018", "029", "030", "034"]
REGIONS += ["039", "054", "061", "142", "143", "145", "150", "151", "154", "155", "419"]
SHARES = {"fit": 0.45, "tune": 0.2, "test": 0.35}
SEED = 20

locales = {language: Locale.parse(language) for language in LANGUAGES}


def names(table: str, key: object) -> dict[str, str] | None:
    """One concept's name in every language; None where one is missing or awkward to quote."""
    found = {}
    for language, locale in locales.items():
        source = getattr(locale, table)
        source = source["stand-alone"]["wide"] if table in ("months", "days") else source
        name = source.get(key)
        if not name or any(mark in name for mark in "()&.'’\","):
            return None
        found[language] = name
    return found


def countries() -> dict[str, dict]:
    """Countries with one currency and one official language, all of them named in every
    language.
    """
    chosen: dict[str, dict] = {}
    per_currency: Counter[str] = Counter()
    per_language: Counter[str] = Counter()
    for code in sorted(locales["en"].territories):
        if not (len(code) == 2 and code.isalpha()):
            continue
        named = names("territories", code)
        currencies = get_territory_currencies(code)
        official = get_official_languages(code, de_facto=True)
        if named is None or len(currencies) != 1 or len(official) != 1:
            continue
        currency, language = currencies[0], official[0]
        if max(map(len, named.values())) > MAX_NAME_LENGTH:
            continue
        currency_names = names("currencies", currency)
        if currency_names is None or names("languages", language) is None:
            continue
        if max(map(len, currency_names.values())) > MAX_CURRENCY_LENGTH:
            continue
        limit = MAX_COUNTRIES_PER_CURRENCY.get(currency, DEFAULT_PER_CURRENCY)
        if per_currency[currency] >= limit or per_language[language] >= MAX_COUNTRIES_PER_LANGUAGE:
            continue
        per_currency[currency] += 1
        per_language[language] += 1
        chosen[f"country:{code}"] = {
            "names": named,
            "currency": f"currency:{currency}",
            "language": f"language:{language}",
        }
    return chosen


def cyclic_split(number: int, bounds: tuple[int, int]) -> str:
    return "fit" if number < bounds[0] else "tune" if number < bounds[1] else "test"


def majority(votes: list[str], generator: random.Random) -> str:
    counts = Counter(votes)
    best = max(counts.values())
    return generator.choice(sorted(split for split in counts if counts[split] == best))


def random_split(generator: random.Random) -> str:
    return generator.choices(list(SHARES), weights=list(SHARES.values()))[0]


def build() -> dict:
    generator = random.Random(SEED)
    found = countries()
    concepts: dict[str, dict] = {}
    votes: dict[str, list[str]] = defaultdict(list)
    for name, country in found.items():
        split = random_split(generator)
        concepts[name] = {"kind": "country", "split": split, "names": country["names"]}
        votes[country["currency"]].append(split)
        votes[country["language"]].append(split)
    # A currency or language goes where most of its countries are, so that most facts stay inside
    # one split.
    for name in sorted(votes):
        kind, code = name.split(":")
        table = "currencies" if kind == "currency" else "languages"
        split = majority(votes[name], generator)
        concepts[name] = {"kind": kind, "split": split, "names": names(table, code)}
    for code in LANGUAGES + EXTRA_LANGUAGES:
        named = names("languages", code)
        if named and f"language:{code}" not in concepts:
            split = random_split(generator)
            concepts[f"language:{code}"] = {"kind": "language", "split": split, "names": named}
    for code in REGIONS:
        named = names("territories", code)
        if named:
            split = random_split(generator)
            concepts[f"region:{code}"] = {"kind": "region", "split": split, "names": named}
    for month in range(1, 13):
        split = cyclic_split(month - 1, (4, 8))
        concepts[f"month:{month}"] = {
            "kind": "month",
            "split": split,
            "names": names("months", month),
        }
    for day in range(7):
        split = cyclic_split(day, (2, 4))
        concepts[f"day:{day + 1}"] = {"kind": "day", "split": split, "names": names("days", day)}
    drop_ambiguous(concepts)
    facts = {
        relation: {
            name: country[relation]
            for name, country in found.items()
            if name in concepts and country[relation] in concepts
        }
        for relation in ("currency", "language")
    }
    return {
        "source": f"Unicode CLDR as carried by Babel {babel.__version__} (Unicode License v3)",
        "languages": LANGUAGES,
        "own_names": {code: locales[code].languages[code] for code in LANGUAGES},
        "language_names": {
            code: {target: locales[code].languages[target] for target in LANGUAGES}
            for code in LANGUAGES
        },
        "concepts": concepts,
        "facts": facts,
    }


def drop_ambiguous(concepts: dict[str, dict]) -> None:
    """Remove concepts that share a name with an earlier one in some language: no prompt could tell
    them apart.
    """
    seen: set[tuple[str, str]] = set()
    for name in list(concepts):
        keys = {(code, text.casefold()) for code, text in concepts[name]["names"].items()}
        if keys & seen:
            del concepts[name]
        seen |= keys


if __name__ == "__main__":
    world = build()
    OUTPUT.write_text(json.dumps(world, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    kinds = Counter((concept["kind"], concept["split"]) for concept in world["concepts"].values())
    print(len(world["concepts"]), "concepts", dict(sorted(kinds.items())))
    for relation, pairs in world["facts"].items():
        inside = Counter(
            world["concepts"][country]["split"]
            for country, value in pairs.items()
            if world["concepts"][country]["split"] == world["concepts"][value]["split"]
        )
        print(relation, len(pairs), "facts; inside one split:", dict(inside))
