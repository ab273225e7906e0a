"""Write src/langsteer/text/cldr.json: what language tags need of the Unicode CLDR.

    python tools/make_cldr.py

Needs Babel, which carries the CLDR and which the package itself does not need: names in English and
in the language itself, aliases, and the likely script and territory of languages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import babel
from babel import Locale, UnknownLocaleError
from babel.core import get_global

PATH = Path(__file__).parents[1] / "src" / "langsteer" / "text" / "cldr.json"


def main() -> None:
    english = Locale("en")
    tables: dict[str, Any] = {
        "source": f"Unicode CLDR as carried by Babel {babel.__version__} (Unicode License v3)",
        **{
            name: dict(sorted(getattr(english, name).items()))
            for name in ("languages", "scripts", "territories", "variants")
        },
        "own_names": own_names(sorted(english.languages)),
        **{
            name: dict(sorted(get_global(name).items()))
            for name in ("language_aliases", "script_aliases", "territory_aliases")
        },
        **likely_subtags(),
    }
    text = json.dumps(tables, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"')
    PATH.write_text(text + "\n", encoding="utf-8")
    print(f"{PATH}: {PATH.stat().st_size / 1000:.0f} kB")


def likely_subtags() -> dict[str, dict[str, str]]:
    """Most only add a script and a territory: of these, script and territory → the languages."""
    plain: dict[str, list[str]] = {}
    others = {}
    for tag, full in sorted(get_global("likely_subtags").items()):
        if "_" not in tag and full.startswith(f"{tag}_"):
            plain.setdefault(full.removeprefix(f"{tag}_"), []).append(tag)
        else:
            others[tag] = full
    return {
        "likely": {added: " ".join(tags) for added, tags in plain.items()},
        "likely_others": others,
    }


def own_names(languages: list[str]) -> dict[str, str]:
    """Language → what it calls itself, where the CLDR says."""
    found = {}
    for one in languages:
        try:
            name = Locale(one).languages.get(one)
        except (UnknownLocaleError, ValueError):
            continue
        if name:
            found[one] = name
    return found


if __name__ == "__main__":
    main()
