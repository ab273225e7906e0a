"""Which part of a corpus is read by whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from langsteer.errors import LangsteerError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count`, 0-based: every `count`-th chunk of the texts.

    Chunks hold whole concepts, and the parts of a corpus together are the corpus.

    Raises:
        LangsteerError: there is no such part.
    """

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.number < self.count:
            raise LangsteerError(
                f"there is no part {self.number + 1} of {self.count}; parts are numbered from 1 to "
                "their count"
            )

    @classmethod
    def parse(cls, said: str) -> Shard:
        """`I/N`, with parts numbered from 1.

        Raises:
            LangsteerError: it is said otherwise, or there is no such part.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", said)
        if found is None:
            raise LangsteerError(f"{said!r} is not a part I/N of the texts, such as 1/4")
        return cls(int(found[1]) - 1, int(found[2]))

    def __str__(self) -> str:
        return f"{self.number + 1}/{self.count}"

    def of(self, items: Iterable[_T]) -> Iterator[_T]:
        """Its part of the items."""
        return (item for at, item in enumerate(items) if at % self.count == self.number)


WHOLE = Shard()
