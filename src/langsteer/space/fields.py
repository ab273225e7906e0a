"""Values read from a file: each is what it should be, or an error says which is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from langsteer.errors import SpaceError

SHOWN = 60
LIMIT = 2**63
"""Whole numbers are below this."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object in a header; `where` says which, for messages.

    Every method raises `SpaceError` naming the field and its value where it has the wrong kind.
    """

    values: Mapping[str, Any]
    where: str

    @classmethod
    def of(cls, values: object, where: str) -> Fields:
        """Those of a value that must be an object."""
        if not isinstance(values, Mapping):
            raise wrong(where, values, "an object")
        return cls(values, where)

    def get(self, name: str) -> Any:
        """The value itself, of any kind; it must be there."""
        if name not in self.values:
            raise SpaceError(f"{self.where} lacks {name!r}")
        return self.values[name]

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def fields(self, name: str) -> Fields:
        """An object."""
        return Fields.of(self.get(name), self._named(name))

    def text(self, name: str) -> str:
        """A string."""
        value = self.get(name)
        if not isinstance(value, str):
            raise wrong(self._named(name), value, "text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or None where it is null or missing."""
        return self.text(name) if self.has(name) else None

    def whole(self, name: str, least: int = 0) -> int:
        """A whole number of at least `least`."""
        return whole(self.get(name), self._named(name), least)

    def number(self, name: str) -> float:
        """A finite number."""
        return number(self.get(name), self._named(name))

    def items(self, name: str) -> list[Any]:
        """A list."""
        value = self.get(name)
        if not isinstance(value, list):
            raise wrong(self._named(name), value, "a list")
        return value

    def wholes(self, name: str) -> list[int]:
        """A list of whole numbers."""
        return [whole(one, self._named(name)) for one in self.items(name)]

    def numbers(self, name: str) -> list[float]:
        """A list of finite numbers."""
        return [number(one, self._named(name)) for one in self.items(name)]

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        for one in self.items(name):
            if not isinstance(one, str):
                raise wrong(self._named(name), one, "text")
        return self.items(name)

    def counts(self, name: str) -> dict[str, int]:
        """An object of whole numbers; empty where it is missing."""
        if not self.has(name):
            return {}
        inner = self.fields(name)
        return {key: inner.whole(key) for key in inner.values}

    def _named(self, name: str) -> str:
        return f"{self.where}.{name}"


def whole(value: object, where: str, least: int = 0) -> int:
    """A whole number of at least `least`; `SpaceError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < LIMIT:
        raise wrong(where, value, f"a whole number of at least {least}")
    return value


def number(value: object, where: str) -> float:
    """A finite number; `SpaceError` otherwise."""
    whole_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < LIMIT
    if not whole_number and not (isinstance(value, float) and math.isfinite(value)):
        raise wrong(where, value, "a finite number")
    return float(cast(float, value))


def wrong(where: str, value: object, wanted: str) -> SpaceError:
    """The error for a value of another kind than `wanted`."""
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    return SpaceError(f"{where} is {shown}, but should be {wanted}")
