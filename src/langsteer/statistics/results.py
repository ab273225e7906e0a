"""What was worked out from statistics before, as far as there is room."""

from __future__ import annotations

from threading import Lock

from torch import Tensor

LIMIT = 2**29
"""Bytes that are held; what was made first goes first, and what takes less than a page stays."""
SMALL = 4096


class Results:
    """Tensors by key. Several threads may add some, as for maps of different layers."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._small: dict[tuple[object, ...], Tensor] = {}
        self._large: dict[tuple[object, ...], Tensor] = {}
        self._bytes = 0
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Results], tuple[int]]:
        """A copy, and what is pickled, is empty."""
        return Results, (self._limit,)

    def get(self, key: tuple[object, ...]) -> Tensor | None:
        """What was kept for a key; None if that is not there any more."""
        found = self._small.get(key)
        return self._large.get(key) if found is None else found

    def keep(self, key: tuple[object, ...], made: Tensor) -> Tensor:
        """Keep a result, and return the one that is kept: the first of several."""
        with self._lock:
            if made.nbytes < SMALL:
                return self._small.setdefault(key, made)
            if key in self._large:
                return self._large[key]
            while self._large and self._bytes + made.nbytes > self._limit:
                self._bytes -= self._large.pop(next(iter(self._large))).nbytes
            self._large[key] = made
            self._bytes += made.nbytes
            return made

    def clear(self) -> None:
        """Forget all: the statistics have changed."""
        with self._lock:
            self._small.clear()
            self._large.clear()
            self._bytes = 0
