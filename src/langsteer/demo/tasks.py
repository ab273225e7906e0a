"""Prompts for measuring and texts for fitting, from the concepts of one split."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langsteer.data.corpus import Corpus, Text
from langsteer.data.prompts import Prompt, PromptSet, lexicon
from langsteer.demo.documents import (
    OPEN_GIVEN,
    OPEN_LISTS,
    ORDERED_LISTS,
    WRITTEN,
    Document,
    Fact,
    described_countries,
    description,
    facts_of,
    open_list,
    ordered_list,
    question,
    runs_of,
    translation,
)
from langsteer.demo.templates import TEMPLATES
from langsteer.demo.world import Concept, Split, world

MEASURED = ("translation", "question", "continuation")
DESCRIPTIONS = {
    "translation": "a word in one language, and the name of the language to say it in",
    "question": "a question about a fact, whose answer is a sentence with a quoted name",
    "continuation": "the beginning of a list of names or of a description, to be carried on",
}
"""Family → what its prompts look like, for the reader of a report."""


@dataclass(frozen=True, eq=False)
class Item:
    """One thing to ask, which can be written in any language."""

    id: str
    family: str
    write: Callable[[str], Document]
    input_language: str | None = None
    """The language of the given word of a translation, fixed for all output languages."""
    fact: Fact | None = None
    lexical: bool = False
    """The answer is a name or a list of names."""

    def languages(self) -> list[str]:
        """The languages in which the item can be answered."""
        return [code for code in world().languages if code != self.input_language]


def items(family: str, split: Split, seed: int = 0, examples: int = 0) -> list[Item]:
    """All items of one family with the concepts of one split, in a seeded random order.

    Translations are the concepts of the split, each with its own input language and after
    ``examples`` examples (0 to 4) from the same split.
    """
    if family == "translation":
        return _translations(split, random.Random(f"{family}:{split}:{seed}"), examples)
    generator = random.Random(f"{family}:{split}:{seed}")
    found = {"question": _questions, "continuation": _continuations}[family](split, generator)
    generator.shuffle(found)
    return found


def prompts(split: Split, per_language: int, seed: int = 0) -> PromptSet:
    """``per_language`` prompts of each measured family and language, with the split's
    concepts.
    """
    made = []
    for family in MEASURED:
        for number, language in enumerate(world().languages):
            pool = [item for item in items(family, split, seed) if language in item.languages()]
            # Each language starts elsewhere in the pool, so that together they cover more concepts.
            start = number * per_language
            chosen = [pool[(start + step) % len(pool)] for step in range(per_language)]
            made += [as_prompt(item, language) for item in dict.fromkeys(chosen)]
    return PromptSet(tuple(made), {**lexicon(made), **_all_names()})


def as_prompt(item: Item, language: str) -> Prompt:
    """The item as asked in one language, with its references in all others."""
    document = item.write(language)
    others = [code for code in item.languages() if code != language]
    return Prompt(
        text=document.prompt,
        language=language,
        family=item.family,
        concepts=document.concepts,
        references={code: item.write(code).keys for code in item.languages()},
        instructed={code: _instructed(item, document, language, code) for code in others},
        lexical=item.lexical,
        stop='"' if item.family == "translation" else None,
    )


def requested(document: Document, language: str, target: str) -> str:
    """The document's prompt after the request, in ``language``, to answer in ``target``."""
    name = world().language_names[language][target]
    return f"{TEMPLATES[language].instruction.format(language=name)} {document.prompt}"


def matching_corpus(split: Split = "fit", per_family: int = 60, seed: int = 0) -> Corpus:
    """Prompts of all measured families, the same ones in every language: texts that match the
    tasks.
    """
    texts = []
    for family in MEASURED:
        for item in items(family, split, seed)[:per_family]:
            for language in item.languages():
                texts.append(Text(item.write(language).prompt, language, item.id))
    return Corpus(tuple(texts), name=f"atlas-{split}-matching")


def _translations(split: Split, generator: random.Random, examples: int) -> list[Item]:
    concepts = [concept for concept in world().concepts.values() if concept.split == split]
    generator.shuffle(concepts)
    found = []
    for concept in concepts:
        others = [one for one in concepts if one is not concept]
        given = generator.choice(world().languages)
        found.append(_translation(concept, given, generator.sample(others, examples)))
    return found


def _translation(concept: Concept, given: str, examples: Sequence[Concept]) -> Item:
    return Item(
        id=f"translation:{given}:{concept.id}",
        family="translation",
        write=lambda language: translation(given, language, concept, examples),
        input_language=given,
        lexical=True,
    )


def _questions(split: Split, generator: random.Random) -> list[Item]:
    found = [_question(fact) for fact in facts_of(split)]
    # The phrasings of one fact would otherwise stand side by side.
    generator.shuffle(found)
    return found


def _question(fact: Fact) -> Item:
    return Item(
        id=f"question:{fact.relation}:{fact.subject.id}:{fact.phrasing}",
        family="question",
        write=lambda language: question(language, fact),
        fact=fact,
    )


def _continuations(split: Split, generator: random.Random) -> list[Item]:
    runs = [run for kind in ORDERED_LISTS for run in runs_of(kind, split)]
    found = [_ordered(run) for run in runs]
    found += [_description(country) for country in described_countries(split)]
    for kind in OPEN_LISTS:
        members = world().of_kind(kind, split)
        found += [_open(generator.sample(members, OPEN_GIVEN + WRITTEN)) for _ in range(6)]
    return found


def _ordered(run: Sequence[Concept]) -> Item:
    return Item(
        id="continuation:" + ",".join(concept.id for concept in run),
        family="continuation",
        write=lambda language: ordered_list(language, run),
        lexical=True,
    )


def _open(members: Sequence[Concept]) -> Item:
    return Item(
        id="continuation:" + ",".join(concept.id for concept in members[:OPEN_GIVEN]),
        family="continuation",
        write=lambda language: open_list(language, members),
        lexical=True,
    )


def _description(country: Concept) -> Item:
    return Item(
        id=f"continuation:{country.id}",
        family="continuation",
        write=lambda language: description(language, country),
    )


def _instructed(item: Item, document: Document, language: str, target: str) -> str:
    if item.family == "translation":
        return item.write(target).prompt
    if item.fact is not None:
        return question(language, item.fact, answer_in=target).prompt
    return requested(document, language, target)


def _all_names() -> dict[str, frozenset[str]]:
    return {
        language: frozenset(concept.names[language] for concept in world().concepts.values())
        for language in world().languages
    }
