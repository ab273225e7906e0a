"""What language tags need of the Unicode CLDR: `cldr.json`, made by `tools/make_cldr.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

COUNTRY, REGION, SCRIPT = 2, 3, 4
"""Letters of a country's code, digits of a region's, letters of a script's."""


@dataclass(frozen=True)
class Cldr:
    """Tables of the CLDR, by the codes that tags consist of."""

    languages: Mapping[str, str]
    """Subtag → English name; likewise the next three."""
    scripts: Mapping[str, str]
    territories: Mapping[str, str]
    variants: Mapping[str, str]
    own_names: Mapping[str, str]
    """Language → what it calls itself."""
    language_aliases: Mapping[str, str]
    script_aliases: Mapping[str, str]
    territory_aliases: Mapping[str, list[str]]
    """Territory that is no more → its successors."""
    likely_subtags: Mapping[str, str]
    """Tag that leaves something out → the whole tag, all with underscores."""


@cache
def cldr() -> Cldr:
    """The tables, read once."""
    read = json.loads(files(__package__).joinpath("cldr.json").read_text(encoding="utf-8"))
    del read["source"]
    likely = {
        tag: f"{tag}_{added}" for added, tags in read.pop("likely").items() for tag in tags.split()
    }
    likely |= read.pop("likely_others")
    return Cldr(**read, likely_subtags=likely)


def parse_locale(text: str, sep: str = "_") -> tuple[str, str | None, str | None, str | None]:
    """Language, territory, script and variant of a tag.

    Raises:
        ValueError: this is not the shape of a tag.
    """
    language, *rest = text.split(sep)
    if not language.isalpha():
        raise ValueError(text)
    script = territory = variant = None
    if rest and len(rest[0]) == SCRIPT and rest[0].isalpha():
        script = rest.pop(0).title()
    if rest and (
        (len(rest[0]) == COUNTRY and rest[0].isalpha())
        or (len(rest[0]) == REGION and rest[0].isdigit())
    ):
        territory = rest.pop(0).upper()
    if rest and (
        (len(rest[0]) == SCRIPT and rest[0][0].isdigit())
        or (len(rest[0]) > SCRIPT and rest[0][0].isalpha())
    ):
        variant = rest.pop().upper()
    if rest:
        raise ValueError(text)
    return language.lower(), territory, script, variant
