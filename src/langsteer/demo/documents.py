"""Prompts and answers in the four families of the atlas, from facts and templates.

Every document is a prompt and the answer that the model was taught. The same functions write the
prompts for fitting, tuning and testing (the concepts of one split) and, called by tools/atlas, the
text for training (all concepts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langsteer.demo.templates import TEMPLATES
from langsteer.demo.world import Concept, Split, world

ORDERED_LISTS = ("month", "day")
OPEN_LISTS = ("country", "language", "currency")
GIVEN = (1, 2)
WRITTEN = 2
OPEN_GIVEN = 2
OPENING = ' "'
"""What every prompt ends with: the next token begins a name."""


@dataclass(frozen=True)
class Document:
    """One prompt with its answer."""

    family: str
    language: str
    """The language of the answer."""
    prompt: str
    answer: str
    keys: tuple[tuple[str, ...], ...]
    """What a right answer contains: of each group at least one."""
    concepts: tuple[str, ...]
    """The ids of all concepts in the prompt and in the answer."""


@dataclass(frozen=True)
class Fact:
    """A relation between two concepts, and which of its phrasings asks for it."""

    relation: str
    subject: Concept
    value: Concept
    phrasing: int


def translation(
    source: str, target: str, concept: Concept, examples: Sequence[Concept] = ()
) -> Document:
    """``Русский: "книга" - 中文: "`` → ``书"``, after any number of examples in the same two
    languages.
    """
    labels = world().labels
    lines = [
        f'{labels[source]}: "{one.names[source]}" - {labels[target]}: "{one.names[target]}"\n'
        for one in examples
    ]
    prompt = f'{labels[source]}: "{concept.names[source]}" - {labels[target]}: "'
    return Document(
        family="translation",
        language=target,
        prompt="".join(lines) + prompt,
        answer=f'{concept.names[target]}"',
        keys=((concept.names[target],),),
        concepts=tuple(one.id for one in [*examples, concept]),
    )


def question(language: str, fact: Fact, answer_in: str | None = None) -> Document:
    """A question and its answer; with ``answer_in``, the request to answer in that language."""
    asked, answered = TEMPLATES[language], TEMPLATES[answer_in or language]
    text = asked.questions[fact.relation][fact.phrasing].format(x=fact.subject.names[language])
    if answer_in is not None:
        name = world().language_names[language][answer_in]
        text += " " + asked.instruction.format(language=name)
    value = fact.value.names[answer_in or language]
    return Document(
        family="question" if answer_in is None else "instruction",
        language=answer_in or language,
        prompt=text + OPENING,
        answer=answered.answers[fact.relation].format(y=value)[1:],
        keys=((value,),),
        concepts=(fact.subject.id, fact.value.id),
    )


def ordered_list(language: str, concepts: Sequence[Concept]) -> Document:
    """Months or days in order: the last two are the answer, those before them are in the prompt.

    The key is the next name alone: nothing in the prompt says how long the list is to be.
    """
    given = len(concepts) - WRITTEN
    names = [concept.names[language] for concept in concepts]
    return Document(
        family="continuation",
        language=language,
        prompt=quoted_list(language, concepts[0].kind, names[:given]),
        answer=list_end(language, names[given:]),
        keys=((names[given],),),
        concepts=tuple(concept.id for concept in concepts),
    )


def quoted_list(language: str, kind: str, names: Sequence[str]) -> str:
    """The heading of a list, the names so far, and the quotation mark that opens the next."""
    templates = TEMPLATES[language]
    given = "".join(f'"{name}"{templates.comma}' for name in names)
    return (templates.lists[kind].rstrip() + " " + given).rstrip() + OPENING


def list_end(language: str, names: Sequence[str]) -> str:
    """The rest of a list whose next quotation mark is open."""
    templates = TEMPLATES[language]
    return f'"{templates.comma}"'.join(names) + '"' + templates.stop


def open_list(language: str, concepts: Sequence[Concept]) -> Document:
    """Two names of a kind in the prompt; any other names of that kind are a right continuation."""
    document = ordered_list(language, concepts)
    given = concepts[:OPEN_GIVEN]
    members = tuple(
        concept.names[language]
        for concept in world().of_kind(concepts[0].kind)
        if concept not in given
    )
    return Document(
        family="continuation",
        language=language,
        prompt=document.prompt,
        answer=document.answer,
        keys=(members,),
        concepts=tuple(concept.id for concept in given),
    )


def description(language: str, country: Concept) -> Document:
    """A country's currency and official language in two sentences."""
    templates, facts, concepts = TEMPLATES[language], world().facts, world().concepts
    currency = concepts[facts["currency"][country.id]]
    spoken = concepts[facts["language"][country.id]]
    sentences = [
        templates.answers["currency"].format(y=currency.names[language]),
        templates.answers["language"].format(y=spoken.names[language]),
    ]
    return Document(
        family="continuation",
        language=language,
        prompt=templates.description.format(x=country.names[language]) + OPENING,
        answer=" ".join(sentences)[1:],
        keys=((currency.names[language],), (spoken.names[language],)),
        concepts=(country.id, currency.id, spoken.id),
    )


def facts_of(split: Split | None) -> list[Fact]:
    """All facts, in every phrasing, whose concepts both belong to the split (all facts for
    None).
    """
    atlas = world()
    found = []
    for relation, pairs in atlas.facts.items():
        for subject_id, value_id in pairs.items():
            subject, value = atlas.concepts[subject_id], atlas.concepts[value_id]
            if split in (None, subject.split) and split in (None, value.split):
                phrasings = len(TEMPLATES["en"].questions[relation])
                found += [Fact(relation, subject, value, number) for number in range(phrasings)]
    return found


def runs_of(kind: str, split: Split | None) -> list[list[Concept]]:
    """Stretches of consecutive months or days that lie in one split."""
    members = world().of_kind(kind, split)
    sizes = [given + WRITTEN for given in GIVEN]
    if split is None:
        members = members + members[: max(sizes) - 1]
    return [
        members[start : start + size]
        for start in range(len(members))
        for size in sizes
        if start + size <= len(members)
    ]


def described_countries(split: Split | None) -> list[Concept]:
    """Countries whose currency and language belong to the same split as they do."""
    atlas = world()
    return [
        country
        for country in atlas.of_kind("country", split)
        if all(
            country.id in atlas.facts[relation]
            and split in (None, atlas.concepts[atlas.facts[relation][country.id]].split)
            for relation in ("currency", "language")
        )
    ]
