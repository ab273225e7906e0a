"""Some items of a sequence that is too large to be copied."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

_T = TypeVar("_T")


@dataclass(frozen=True)
class Chosen(Sequence[_T]):
    """Some of the items of a sequence, by their places in it, which ascend."""

    items: Sequence[_T]
    places: array[int]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[_T]:
        wanted = iter(self.places)
        following = next(wanted, None)
        for place, item in enumerate(self.items):
            if place == following:
                yield item
                following = next(wanted, None)

    @overload
    def __getitem__(self, place: int) -> _T: ...

    @overload
    def __getitem__(self, place: slice) -> list[_T]: ...

    def __getitem__(self, place: int | slice) -> _T | list[_T]:
        if isinstance(place, slice):
            return [self.items[one] for one in self.places[place]]
        return self.items[self.places[place]]
