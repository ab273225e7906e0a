"""Texts and prompts of the atlas that experiments need and the demonstration does not."""

from __future__ import annotations

import random

from atlas.writer import full_list
from langsteer.data.corpus import Corpus, Text
from langsteer.data.prompts import Prompt
from langsteer.demo.documents import OPEN_LISTS
from langsteer.demo.tasks import Item, items, requested
from langsteer.demo.world import Split, world


def plain_corpus(split: Split = "fit", per_language: int = 100, seed: int = 0) -> Corpus:
    """Plain sentences and lists, each language on its own subjects: text as people have it."""
    texts = []
    for language in world().languages:
        pool = items("question", split, seed) + items("continuation", split, seed)
        random.Random(f"plain:{language}:{seed}").shuffle(pool)
        for item in pool[:per_language]:
            document = item.write(language)
            text = document.prompt + document.answer if item.lexical else f'"{document.answer}'
            texts.append(Text(text, language))
    return Corpus(tuple(texts), name=f"atlas-{split}-plain")


def full_list_prompt(language: str, kind: str) -> Prompt:
    """All months or days of the week in order: the longest answers that the atlas has.

    The names belong to all splits, but the prompt holds none of them.
    """
    document = full_list(language, kind)
    others = [code for code in world().languages if code != language]
    return Prompt(
        text=document.prompt,
        language=language,
        family="list",
        concepts=document.concepts,
        references={code: full_list(code, kind).keys for code in world().languages},
        instructed={code: requested(document, language, code) for code in others},
        lexical=True,
    )


def topic(item: Item) -> str:
    """What an item is about: ``country``, ``currency``, ``language`` or ``calendar``."""
    _, *rest = item.id.split(":")
    about = rest[1] if item.family == "translation" else rest[0]
    return {"region": "country"}.get(about, about if about in OPEN_LISTS else "calendar")
