"""Prepare what comes next while what is there is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def ahead(items: Iterable[_T], prepare: Callable[[_T], _R]) -> Iterator[_R]:
    """What `prepare` makes of each item, one item ahead in a thread of its own.

    An error of `prepare` comes out where its result would have.
    """
    with ThreadPoolExecutor(1, "langsteer-ahead") as pool:
        waiting = None
        for item in items:
            following = pool.submit(prepare, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
