"""Which script a text is in, and which East Asian language Han letters speak for.

Scripts come in families, named by the first word of the Unicode names of their letters (``LATIN``,
``CYRILLIC``); Han, kana and Hangul, which mix in one text, are one family, ``CJK``.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import groupby

from langsteer.text.tags import english, likely_script, parts

CJK = "CJK"
FAMILIES = {
    "Aran": "ARABIC",
    "Beng": "BENGALI",
    "Cans": "CANADIAN",
    "Hani": CJK,
    "Hans": CJK,
    "Hant": CJK,
    "Hira": CJK,
    "Jpan": CJK,
    "Kana": CJK,
    "Kore": CJK,
    "Latf": "LATIN",
    "Latg": "LATIN",
    "Nkoo": "NKO",
    "Orya": "ORIYA",
    "Xsux": "CUNEIFORM",
}
"""ISO 15924 code → family, where the CLDR's English name of the script does not begin with it."""
CJK_WORDS = {
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "HIRAGANA": "KANA",
    "KATAKANA": "KANA",
    "KATAKANA-HIRAGANA": "KANA",
    "HANGUL": "HANGUL",
}
"""First word of a Unicode name → which part of the CJK family the letter belongs to."""
CHARACTER_SETS = {"Hans": "gb2312", "Hant": "big5", "Jpan": "euc_jp"}
"""ISO 15924 code → the national character set: the Han letters in use there, and no others."""
CANTONESE = frozenset(
    "乸冚冧劏厴唥啩啲喥喺嗌嗮嗰嘅嘈嘢嘥嚟埞孭屙掹揸揼撳攞攰氹潷煲燶瞓篸糉罅脷腍膶舂踎躝髀"
)
"""Letters of written Cantonese; those that Big5 lacks count as traditional, too."""
CJK_SCRIPTS = (*CHARACTER_SETS, "Kore")
"""The scripts that :func:`east_asian` tells apart."""
CJK_WEIGHT = 3
"""A word takes some five letters in an alphabet, and less than two in Han or Hangul."""
ALPHABETIC_SHARE = 1 / 3
"""Share of kana or Hangul that settles the language alone; a name quoted in Chinese stays below."""
HAN_FIT = 0.8
"""Share of a text's Han letters that the character set must have: all but rare names."""
KANALESS, KANALESS_RUN = 6, 4
"""How many Han letters without kana are not Japanese, and how many of them in a row: not a list of
names. In Japanese news 0.1 % of stretches of six letters are Han that Chinese has too."""


def family_of(tag: str) -> str | None:
    """The family of the script that a language is written in; ``None`` where the CLDR has none.

    Raises:
        LanguageError: this is not a tag.
    """
    script = likely_script(parts(tag))
    if script is None:
        return None
    return FAMILIES.get(script) or str(english().scripts[script]).upper().split()[0]


def letters_of(text: str) -> Counter[str]:
    """How many letters of each script a text has: ``LATIN``, ``HAN``, ``KANA``, ..."""
    # Compatibility composition: full-width, half-width and styled letters count as what they are.
    counts: Counter[str] = Counter()
    for letter, count in Counter(unicodedata.normalize("NFKC", text)).items():
        if word := script_word(letter):
            counts[word] += count
    return counts


@lru_cache(maxsize=4096)
def script_word(letter: str) -> str:
    """The script of one letter; empty for what is not a letter."""
    if not letter.isalpha():
        return ""
    word = unicodedata.name(letter, "").split(maxsplit=1)[:1]
    return CJK_WORDS.get(word[0], word[0]) if word else ""


def main_family(letters: Mapping[str, int]) -> str | None:
    """The family that at least half of the letters are of; ``None`` if there is none such."""
    weights: Counter[str] = Counter()
    for script, count in letters.items():
        cjk = script in CJK_WORDS.values()
        weights[CJK if cjk else script] += count * (CJK_WEIGHT if cjk else 1)
    if not weights:
        return None
    family, weight = weights.most_common(1)[0]
    return family if 2 * weight >= weights.total() else None


def east_asian(text: str, candidates: Mapping[str, str]) -> tuple[str | None, float]:
    """Which language a text in the CJK family is in, and the share of its letters that fits.

    Hangul means Korean and kana Japanese. Han letters go to the script whose character set has most
    of them, be it a candidate or not: simplified ones are not Japanese, Japanese ones not Chinese,
    and many are all of these. Then many of them without kana are not Japanese.

    Args:
        text: A text with letters of this family.
        candidates: ISO 15924 code (one of ``CJK_SCRIPTS``) → the language in that script.
    """
    letters = letters_of(text)
    han, kana, hangul = (letters[script] for script in ("HAN", "KANA", "HANGUL"))
    if max(kana, hangul) >= ALPHABETIC_SHARE * (han + kana + hangul):
        script, fitting = ("Jpan", han + kana) if kana >= hangul else ("Kore", han + hangul)
        fit = {script: fitting / (han + kana + hangul)}
    else:
        fit = {one: han_fit(text, charset) / han for one, charset in CHARACTER_SETS.items()}
    best = {script for script in fit if fit[script] == max(fit.values()) >= HAN_FIT}
    if "Jpan" in best and kana:
        best = {"Jpan"}
    elif len(best) > 1 and han >= KANALESS and longest_han(text) >= KANALESS_RUN:
        best.discard("Jpan")
    found = sorted(best & candidates.keys())
    language = candidates[found[0]] if len(found) == 1 else None
    return language, max((fit[script] for script in found), default=0.0)


def longest_han(text: str) -> int:
    """The most Han letters in a row."""
    runs = groupby(text, key=lambda one: script_word(one) == "HAN")
    return max((len(list(run)) for is_han, run in runs if is_han), default=0)


def han_fit(text: str, character_set: str) -> int:
    """How many Han letters of a text a character set has."""
    return sum(script_word(one) == "HAN" and encodable(one, character_set) for one in text)


@lru_cache(maxsize=16384)
def encodable(letter: str, character_set: str) -> bool:
    """Whether a character set has a letter."""
    if character_set == CHARACTER_SETS["Hant"] and letter in CANTONESE:
        return True
    try:
        letter.encode(character_set)
    except UnicodeEncodeError:
        return False
    return True
