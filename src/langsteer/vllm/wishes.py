"""What a request to vLLM says of its language, and which row of the table that is."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations
from typing import Any

from langsteer.edits.edit import Edit
from langsteer.errors import LangsteerError, SteeringError
from langsteer.serving.requests import PREFIX
from langsteer.space.space import Space
from langsteer.text.tags import choose

FIELDS = ("language", "source", "strength")
"""Of what requests to `langsteer serve` say; the rest cannot be done here and is refused."""
SPACE, SOURCE = "LANGSTEER_SPACE", "LANGSTEER_SOURCE"
"""Environment variables: the space, and the source of requests that name none."""


@dataclass(frozen=True)
class Wish:
    """The pair of a request, from 1 on, and its strength; 0 does nothing."""

    row: int = 0
    strength: float = 0.0
    salt: str = ""
    """What makes its keys and values another request's: part of the key of the prefix cache."""


@dataclass(frozen=True)
class PairRows:
    """The edits of all ordered pairs of the languages of a space, one a row."""

    space: Space
    pairs: tuple[tuple[str, str], ...]
    edits: tuple[Edit, ...]
    default_source: str | None

    @classmethod
    def of(cls, path: str, default_source: str | None = None) -> PairRows:
        """The rows of a space at its operating point.

        Raises:
            LangsteerError: the space cannot be read, or its edits cannot stand in a table.
        """
        space = Space.load(path)
        pairs = tuple(permutations(space.languages, 2))
        edits = tuple(space.edit(*pair) for pair in pairs)
        if any(edit.restore_norm or edit.guard is not None for edit in edits):
            raise SteeringError("edits that restore norms or have guards cannot run in vLLM")
        source = None if default_source is None else choose(default_source, space.languages)
        return cls(space, pairs, edits, source)

    def wish(self, extra: Mapping[str, Any] | None) -> Wish:
        """What the extra arguments of a request ask for.

        Raises:
            LangsteerError: a field, a language or a strength is unknown; the message says which
                there are.
        """
        given = {
            name.removeprefix(PREFIX): value
            for name, value in (extra or {}).items()
            if name.startswith(PREFIX)
        }
        unknown = sorted(set(given) - set(FIELDS))
        if unknown:
            names = ", ".join(PREFIX + name for name in FIELDS)
            raise SteeringError(f"there is no {PREFIX}{unknown[0][:40]}. There are: {names}")
        if "language" not in given:
            if given:
                raise SteeringError(f"{PREFIX}{min(given)} needs {PREFIX}language")
            return Wish()
        languages = self.space.languages
        target = choose(str(given["language"])[:40], languages)
        named = given.get("source", self.default_source)
        if named is None:
            raise SteeringError(
                f"say in which language the model would answer: {PREFIX}source, or {SOURCE} for "
                f"all requests. There are: {', '.join(languages)}"
            )
        source = choose(str(named)[:40], languages)
        strength = self._strength(given.get("strength"), source, target)
        if source == target or strength == 0:
            return Wish()
        row = self.pairs.index((source, target)) + 1
        return Wish(row, strength, f"langsteer:{source}:{target}:{strength!r}:{self.checksum}")

    def _strength(self, given: Any, source: str, target: str) -> float:
        if given is None:
            if source == target:
                return 0.0
            return self.edits[self.pairs.index((source, target))].strength
        try:
            found = float(given)
        except (TypeError, ValueError):
            found = math.nan
        if not math.isfinite(found):
            raise SteeringError(f"{PREFIX}strength is {str(given)[:40]!r}; give a finite number")
        return found

    @cached_property
    def checksum(self) -> str:
        """A fingerprint of the numbers: another space under the same name is another key."""
        return self.space.checksum()[:16]


@cache
def rows_of_environment() -> PairRows:
    """The rows of the space that `LANGSTEER_SPACE` names, read once in a process."""
    path = os.environ.get(SPACE, "")
    if not path:
        raise LangsteerError(f"{SPACE} is not set")
    return PairRows.of(path, os.environ.get(SOURCE) or None)
