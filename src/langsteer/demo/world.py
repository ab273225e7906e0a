"""The facts of the atlas: concepts, their names in twelve languages, and the relations between
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Split = Literal["fit", "tune", "test"]
SPLITS: tuple[Split, ...] = ("fit", "tune", "test")


@dataclass(frozen=True)
class Concept:
    """One thing with a name in every language of the atlas."""

    id: str
    kind: str
    split: Split
    names: Mapping[str, str]


@dataclass(frozen=True)
class World:
    """All concepts and facts."""

    languages: tuple[str, ...]
    labels: Mapping[str, str]
    """Language → its own name for itself, as it opens a line of a word translation."""
    language_names: Mapping[str, Mapping[str, str]]
    """Language → language → the name of the second in the first."""
    concepts: Mapping[str, Concept]
    facts: Mapping[str, Mapping[str, str]]
    """Relation → subject → object, as concept ids."""

    def of_kind(self, kind: str, split: Split | None = None) -> list[Concept]:
        """The concepts of one kind, in the order of the file; only those of one split if it is
        given.
        """
        return [
            concept
            for concept in self.concepts.values()
            if concept.kind == kind and split in (None, concept.split)
        ]


@cache
def world() -> World:
    """The world that is stored in the package."""
    raw = json.loads(files(__package__).joinpath("world.json").read_text(encoding="utf-8"))
    concepts = {name: Concept(id=name, **fields) for name, fields in raw["concepts"].items()}
    labels = {code: name[:1].upper() + name[1:] for code, name in raw["own_names"].items()}
    return World(
        languages=tuple(raw["languages"]),
        labels=labels,
        language_names=raw["language_names"],
        concepts=concepts,
        facts=raw["facts"] | _cycles(concepts),
    )


def _cycles(concepts: Mapping[str, Concept]) -> dict[str, dict[str, str]]:
    facts: dict[str, dict[str, str]] = {}
    for kind in ("month", "day"):
        cycle = [name for name, concept in concepts.items() if concept.kind == kind]
        following = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
        facts[f"next_{kind}"] = following
        facts[f"previous_{kind}"] = {after: before for before, after in following.items()}
    return facts
