"""Prompts with known answers, and the file that holds them.

One JSON object per line::

    {"prompt": "…", "language": "en", "family": "question", "concepts": ["country:FR"],
     "references": {"en": [["Euro", "euro"]], "de": [["Euro"]]},
     "instructed": {"de": "… Answer in German."}, "lexical": false, "stop": null}

Only ``prompt`` and ``language`` are required. References that are a list hold in every language, as
those of a sum: ``"references": [["19"]]``. ``targets`` names the only languages to be steered to.
Where a list of strings is meant, one string stands for a list of one. Any other type is an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from langsteer.data.fields import Row, by_language, strings_in
from langsteer.data.files import spoken, write_whole
from langsteer.data.problems import Problems, shown
from langsteer.data.rows import read_rows
from langsteer.errors import CorpusError
from langsteer.text.tags import normalise

ANY = "*"
References = tuple[tuple[str, ...], ...]
"""What a right answer contains: at least one member of every group."""


@dataclass(frozen=True)
class Prompt:
    """One prompt, and how to judge the answer."""

    text: str
    language: str
    """The language in which the model answers when it is left alone."""
    family: str = "prompts"
    concepts: tuple[str, ...] = ()
    references: Mapping[str, References] = field(default_factory=dict)
    """Language → references; empty where the meaning cannot be judged by a key. ``ANY`` stands for
    every language: the prompt has nothing to do with language.
    """
    instructed: Mapping[str, str] = field(default_factory=dict)
    """Target language → this prompt with a request to answer in it: the prompting baseline."""
    lexical: bool = False
    """The whole answer is one name: its language is looked up in the lexicon before it is
    detected.
    """
    stop: str | None = None
    """The answer ends before this string."""
    targets: tuple[str, ...] = ()
    """The languages that it may be steered to; empty: any."""

    @property
    def neutral(self) -> bool:
        """Whether the right answer is the same in every language."""
        return ANY in self.references

    def expected(self, target: str) -> References:
        """The references in a language; empty without any."""
        return self.references.get(target, self.references.get(ANY, ()))

    def answer(self, generated: str) -> str:
        """The part of the generated text that counts as the answer."""
        return generated.split(self.stop, 1)[0] if self.stop else generated


@dataclass(frozen=True)
class PromptSet:
    """Prompts, and the names that a lexical answer is looked up in."""

    prompts: tuple[Prompt, ...]
    lexicon: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in which prompts expect an answer or have references, sorted."""
        found = {prompt.language for prompt in self.prompts}
        found.update(*(prompt.references for prompt in self.prompts))
        found.update(*(prompt.targets for prompt in self.prompts))
        return tuple(sorted(found - {ANY}))

    @property
    def families(self) -> tuple[str, ...]:
        """The families in order of appearance."""
        return tuple(dict.fromkeys(prompt.family for prompt in self.prompts))


def write_prompts(prompts: Iterable[Prompt], path: Path) -> None:
    """Write prompts, one JSON object per line; the file appears whole or not at all."""
    lines = [json.dumps(asdict(prompt), ensure_ascii=False) + "\n" for prompt in prompts]
    write_whole(path, "".join(lines).encode(), CorpusError)


def read_prompts(path: Path) -> PromptSet:
    """Read a file of prompts; the lexicon is made of all references of lexical prompts.

    Raises:
        CorpusError: The file is missing, empty or has a broken line.
    """
    if not os.path.exists(path):
        raise CorpusError(f"There is no file of prompts at {spoken(path)}. Give a JSONL file.")
    problems = Problems(spoken(path))
    prompts = prompts_of(read_rows(path, problems), problems)
    problems.refuse()
    if not prompts:
        raise CorpusError(f"{spoken(path)} holds no prompts. Write one JSON object per line.")
    return PromptSet(tuple(prompts), lexicon(prompts))


def prompts_of(rows: Iterable[Row], problems: Problems) -> list[Prompt]:
    """The prompts of rows; what is wrong with a row goes to the problems."""
    prompts = []
    for row in rows:
        with problems.at(row.place):
            prompts.append(prompt_of(row))
    return prompts


def lexicon(prompts: Iterable[Prompt]) -> dict[str, frozenset[str]]:
    """Language → all names that lexical prompts expect in it."""
    names: dict[str, set[str]] = {}
    for prompt in prompts:
        if prompt.lexical:
            for language, groups in prompt.references.items():
                names.setdefault(language, set()).update(name for group in groups for name in group)
    return {language: frozenset(found) for language, found in names.items()}


def prompt_of(row: Row) -> Prompt:
    """The prompt of a row.

    Raises:
        CorpusError: It lacks a field, or one holds what it should not.
        LanguageError: A language is not a tag.
    """
    text = row.first(("prompt", "text"))
    if text is None or not text.strip():
        raise CorpusError('there is no "prompt", or an empty one. Every row needs a text.')
    if row.values.get("language") is None:
        raise CorpusError('there is no "language". Every row needs "prompt" and "language".')
    family = "" if row.values.get("family") == "" else row.label("family") or "prompts"
    return Prompt(
        text=text,
        language=normalise(row.string("language")),
        family=family,
        concepts=row.strings("concepts"),
        references=_references(row.values.get("references")),
        instructed=_instructed(row),
        lexical=row.flag("lexical"),
        stop=row.text("stop"),
        targets=tuple(normalise(tag) for tag in row.strings("targets")),
    )


def _references(raw: object) -> dict[str, References]:
    """Language → references; what is not an object holds in every language."""
    if raw in (None, "", []):
        return {}
    what = "'references'"
    if not isinstance(raw, dict):
        return {ANY: _groups(raw, what)}
    by_tag = by_language(raw, what, every=ANY)
    return {tag: _groups(groups, f"{what} in {tag!r}") for tag, groups in by_tag.items()}


def _groups(raw: object, what: str) -> References:
    """The groups of names of one language; a name alone is a group of one."""
    if isinstance(raw, str):
        return (strings_in(raw, what),)
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise CorpusError(
            f"{what} is {shown(raw)}. Write the name that a right answer contains, or a list of "
            'such names, such as {"de": ["Tokio"]}.'
        )
    groups = tuple(strings_in(group, what) for group in raw)
    if not all(groups):
        raise CorpusError(f"{what} holds an empty group, which no answer contains. Remove it.")
    return groups


def _instructed(row: Row) -> dict[str, str]:
    made = {}
    for tag, text in row.mapping("instructed").items():
        if not isinstance(text, str) or not text.strip():
            raise CorpusError(
                f"'instructed' in {tag!r} is {shown(text)}. Write the prompt with the request to "
                "answer in that language."
            )
        made[tag] = text
    return made
