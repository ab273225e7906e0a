"""Layouts of answers besides our own: one module each, ``answers_NAME``, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module

from langsteer.data.fields import Row
from langsteer.data.problems import Problems
from langsteer.data.rows import Rows

MODULES = (
    "language_confusion",
    "clas_bench",
)
"""Each is a module `answers_NAME` with a `LAYOUT`; the first that fits is taken."""


@dataclass(frozen=True, slots=True)
class AnswerLayout:
    """How rows of another layout are told, and what they are in the words of our own."""

    fields: frozenset[str]
    """The fields that rows of this layout have, and others don't."""
    rewrite: Callable[[Row], Iterable[Row]]
    """A row of that layout → rows of ours, of which one is one answer."""


def in_our_words(rows: Rows, problems: Problems) -> Iterator[Row]:
    """The rows of a file in our own layout; what is wrong with one goes to the problems."""
    layouts = [import_module(f"langsteer.data.answers_{name}").LAYOUT for name in MODULES]
    layout = next((one for one in layouts if rows.names >= one.fields), None)
    for row in rows:
        if layout is None:
            yield row
        else:
            with problems.at(row.place):
                yield from layout.rewrite(row)
