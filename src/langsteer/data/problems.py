"""What is wrong with the rows of a file: collected, counted, and told in one error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from langsteer.errors import CorpusError, LangsteerError

SHOWN = 5
ENOUGH = 1000
"""Problems after which the rest of the rows is not read: by then it is the wrong column."""
VALUE_SHOWN = 60


class Problems:
    """Collects the problems of one input, each with its place, which is mostly ``file:line``.

    Args:
        name: What the input is called in the message.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        """Keep a problem.

        Raises:
            CorpusError: it was the thousandth.
        """
        self.found.append(problem)
        if len(self.found) >= ENOUGH:
            self.refuse()

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Keep an error that is raised in this context, together with the place."""
        try:
            yield
        except LangsteerError as error:
            self.add(f"{place}: {error}")

    def refuse(self) -> None:
        """End with an error if there is any problem.

        Raises:
            CorpusError: there is; the message counts all and shows the first five.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            raise CorpusError(self.found[0])
        more = " or more" if len(self.found) >= ENOUGH else ""
        first = f", the first {SHOWN}" if len(self.found) > SHOWN else ""
        listed = "".join(f"\n  {problem}" for problem in self.found[:SHOWN])
        raise CorpusError(f"{self.name} has {len(self.found)}{more} problems{first}:{listed}")


def shown(value: object) -> str:
    """A value for a message, shortened; what came from JSON as JSON calls it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(value)
    return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"
