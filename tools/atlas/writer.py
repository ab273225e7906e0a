"""The text that the model of the atlas is trained on and checked with: random documents."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

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
    list_end,
    open_list,
    ordered_list,
    question,
    quoted_list,
    runs_of,
    translation,
)
from langsteer.demo.world import Split, World, world

FAMILIES = ("translation", "question", "continuation", "instruction")


def full_list(language: str, kind: str) -> Document:
    """All months or days in order after the bare heading: the longest answer that the atlas has."""
    concepts = world().of_kind(kind)
    names = [concept.names[language] for concept in concepts]
    return Document(
        family="continuation",
        language=language,
        prompt=quoted_list(language, kind, ()),
        answer=list_end(language, names),
        keys=tuple((name,) for name in names),
        concepts=tuple(concept.id for concept in concepts),
    )


class Writer:
    """Random documents of each family with the concepts of one split (None: all of them)."""

    def __init__(self, split: Split | None, seed: int) -> None:
        self.random = random.Random(seed)
        self.world: World = world()
        self.concepts = [
            concept for concept in self.world.concepts.values() if split in (None, concept.split)
        ]
        self.facts = facts_of(split)
        self.relations = sorted({fact.relation for fact in self.facts})
        self.by_relation = {
            relation: [fact for fact in self.facts if fact.relation == relation]
            for relation in self.relations
        }
        self.runs = [run for kind in ORDERED_LISTS for run in runs_of(kind, split)]
        self.countries = described_countries(split)
        self.open = {kind: self.world.of_kind(kind, split) for kind in OPEN_LISTS}

    def languages(self) -> tuple[str, str]:
        """Two different languages."""
        source, target = self.random.sample(self.world.languages, 2)
        return source, target

    def fact(self) -> Fact:
        """A fact; months and days, being few, come less often."""
        weights = [max(4.0, len(self.by_relation[relation]) ** 0.8) for relation in self.relations]
        relation = self.random.choices(self.relations, weights)[0]
        return self.random.choice(self.by_relation[relation])

    def translation(self) -> Document:
        """A word translation after zero to four examples."""
        source, target = self.languages()
        number = self.random.randint(0, 4)
        concept, *examples = self.random.sample(self.concepts, number + 1)
        return translation(source, target, concept, examples)

    def question(self) -> Document:
        """A question, answered in its own language."""
        return question(self.random.choice(self.world.languages), self.fact())

    def instruction(self) -> Document:
        """A question with the request to answer in another language."""
        source, target = self.languages()
        return question(source, self.fact(), answer_in=target)

    def continuation(self) -> Document:
        """A list to go on with, or a short description."""
        language = self.random.choice(self.world.languages)
        form = self.random.random()
        if form < 0.04:
            return full_list(language, self.random.choice(ORDERED_LISTS))
        if form < 0.3:
            return ordered_list(language, self.random.choice(self.runs))
        if form < 0.55:
            kind = self.random.choice(OPEN_LISTS)
            return open_list(language, self.random.sample(self.open[kind], OPEN_GIVEN + WRITTEN))
        return description(language, self.random.choice(self.countries))

    def stream(self, weights: Sequence[float]) -> Iterator[Document]:
        """Documents without end, the families of ``FAMILIES`` drawn with the given weights."""
        make = (self.translation, self.question, self.continuation, self.instruction)
        while True:
            yield self.random.choices(make, weights)[0]()
