"""Prompts with known answers, and the file that holds them.

One JSON object per line::

    {"prompt": "…", "language": "en", "family": "question", "concepts": ["country:FR"],
     "references": {"en": [["Euro", "euro"]], "de": [["Euro"]]},
     "instructed": {"de": "… Answer in German."}, "lexical": false, "stop": null}

Only ``prompt`` and ``language`` are required. References that are a list hold in every language, as
those of a sum: ``"references": [["19"]]``. ``targets`` names the only languages to be steered to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langsteer.data.files import write_whole
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
    if not path.is_file():
        raise CorpusError(f"There is no file of prompts at {path}. Give a JSONL file.")
    prompts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            prompts.append(_parse(line, f"{path}:{number}"))
    if not prompts:
        raise CorpusError(f"{path} holds no prompts. Write one JSON object per line.")
    return PromptSet(tuple(prompts), lexicon(prompts))


def lexicon(prompts: Iterable[Prompt]) -> dict[str, frozenset[str]]:
    """Language → all names that lexical prompts expect in it."""
    names: dict[str, set[str]] = {}
    for prompt in prompts:
        if prompt.lexical:
            for language, groups in prompt.references.items():
                names.setdefault(language, set()).update(name for group in groups for name in group)
    return {language: frozenset(found) for language, found in names.items()}


def _parse(line: str, where: str) -> Prompt:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise CorpusError(f"{where} is not JSON ({error}). Write one object per line.") from error
    if not isinstance(row, dict) or not isinstance(row.get("language"), str):
        raise CorpusError(f'{where} has no "language". Every line needs "prompt" and "language".')
    text = row.get("prompt", row.get("text"))
    if not isinstance(text, str) or not text.strip():
        raise CorpusError(f'{where} has no "prompt", or an empty one. Every line needs a text.')
    return Prompt(
        text=text,
        language=normalise(row["language"]),
        family=str(row.get("family", "prompts")),
        concepts=tuple(row.get("concepts", ())),
        references=_references(row.get("references", {}), where),
        instructed={normalise(tag): str(made) for tag, made in row.get("instructed", {}).items()},
        lexical=bool(row.get("lexical", False)),
        stop=row.get("stop"),
        targets=tuple(normalise(tag) for tag in row.get("targets", ())),
    )


def _references(raw: Any, where: str) -> dict[str, References]:
    if isinstance(raw, list):
        raw = {ANY: raw} if raw else {}
    if not isinstance(raw, dict):
        raise CorpusError(
            f'{where}: "references" is {raw!r}, not an object from language to names.'
        )
    return {
        tag if tag == ANY else normalise(tag): tuple(
            (group,) if isinstance(group, str) else tuple(group) for group in groups
        )
        for tag, groups in raw.items()
    }
