"""Results that are made once: the same object for the same arguments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any, TypeVar

T = TypeVar("T")

LIMIT = 2**30
"""Bytes of results that are held; the results asked for longest ago go first."""


class Memo:
    """Holds what was made, up to a limit in bytes. Safe to share between threads.

    It is no part of what it belongs to: a copy or a pickle of it is empty.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = RLock()

    def __reduce__(self) -> tuple[type[Memo], tuple[int]]:
        return Memo, (self._limit,)

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What `make` gave for `key`; `size` says how many bytes a result takes."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                held: T = self._held[key][0]
                return held
            made = make()
            self._held[key] = made, size(made)
            self._bytes += self._held[key][1]
            while self._bytes > self._limit and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1][1]
            return made
