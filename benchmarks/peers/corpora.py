"""What the methods are fitted on: texts of the concepts that belong to fitting."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from atlas.texts import plain_corpus, topic
from langsteer.data.corpus import Corpus, Text
from langsteer.demo.tasks import MEASURED, Item, items, matching_corpus
from langsteer.demo.world import world

SEED = 0
TOPICS = ("country", "currency", "language", "calendar")
TOPICS_EACH = 2
TEXTS_ON_TOPICS = 60
WRONG = 0.1
"""The share of wrong labels."""


def few(number: int) -> Corpus:
    """``number`` matching prompts of all families in every language, mostly the same ones."""
    return _corpus(f"{number}", lambda language, item: True, number)


def topics() -> Corpus:
    """Matching prompts about other topics in each language; neighbours share one topic."""
    return _corpus("topics", lambda language, item: topic(item) in topics_of(language), 60)


def topics_of(language: str) -> set[str]:
    """What the texts in a language are about."""
    first = world().languages.index(language)
    return {TOPICS[(first + step) % len(TOPICS)] for step in range(TOPICS_EACH)}


def wrong_labels() -> Corpus:
    """The matching prompts, a tenth of them with the tag of another language."""
    generator = random.Random(f"labels:{SEED}")
    texts = []
    for text in matching_corpus().texts:
        others = [language for language in world().languages if language != text.language]
        wrong = generator.random() < WRONG
        language = generator.choice(others) if wrong else text.language
        texts.append(Text(text.text, language, text.concept))
    return Corpus(tuple(texts), name="atlas-fit-labels")


def paired(corpus: Corpus, first: str, second: str) -> list[tuple[int, int]]:
    """Rows of two languages side by side, for packages that want pairs.

    Texts of one concept are paired; what is left over is paired in order, until one language has no
    more.
    """
    rows: Mapping[str, list[int]] = defaultdict(list)
    for row, text in enumerate(corpus.texts):
        rows[text.language].append(row)
    concepts = {corpus.texts[row].concept: row for row in rows[second] if corpus.texts[row].concept}
    found = []
    for row in rows[first]:
        partner = concepts.pop(corpus.texts[row].concept, None)
        if partner is not None:
            found.append((row, partner))
    used = {row for pair in found for row in pair}
    left = [row for row in rows[first] if row not in used]
    right = [row for row in rows[second] if row not in used]
    return found + list(zip(left, right, strict=False))


def _corpus(name: str, wanted: Callable[[str, Item], bool], number: int) -> Corpus:
    pool = _pool()
    texts = []
    for language in world().languages:
        usable = [item for item in pool if language in item.languages() and wanted(language, item)]
        for item in usable[:number]:
            texts.append(Text(item.write(language).prompt, language, item.id))
    return Corpus(tuple(texts), name=f"atlas-fit-{name}")


def _pool() -> Sequence[Item]:
    pool = [item for family in MEASURED for item in items(family, "fit", SEED)]
    random.Random(f"pool:{SEED}").shuffle(pool)
    return pool


CORPORA: dict[str, Callable[[], Corpus]] = {
    "matching": matching_corpus,
    "plain": plain_corpus,
    "4": partial(few, 4),
    "16": partial(few, 16),
    "64": partial(few, 64),
    "topics": topics,
    "labels": wrong_labels,
}
"""The ways of fitting by name."""
