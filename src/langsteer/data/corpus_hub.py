"""A corpus that is a Hugging Face data set, one text per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, overload

from langsteer.data.corpus import Columns, Corpus, Text
from langsteer.data.corpus_layouts import CorpusLayout, CorpusSource
from langsteer.data.corpus_rows import text_of
from langsteer.data.fields import Row
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError

LARGE = 100_000
"""Rows from which on the texts are not held in memory."""


def read(source: CorpusSource) -> Corpus:
    """The corpus of all rows of a split.

    Raises:
        CorpusError: ``datasets`` is not installed, the data set cannot be loaded, or it has no such
            split.
    """
    name = source.path.as_posix()
    parts = load(name)
    chosen = next(iter(parts)) if source.split is None and len(parts) == 1 else source.split
    if chosen is None or chosen not in parts:
        what = "several splits" if chosen is None else f"no split {chosen!r}"
        raise CorpusError(f"the data set {name!r} has {what}. Choose one: {', '.join(parts)}.")
    problems = Problems(f"{name}[{chosen}]")
    texts = HubTexts(problems.name, parts[chosen], source.columns)
    held = []
    for number, row in enumerate(texts.rows):
        place = texts.place(number)
        with problems.at(place):
            text = text_of(Row(place, row), source.columns)
            if len(texts) < LARGE:
                held.append(text)
    problems.refuse()
    return Corpus(tuple(held) if len(texts) < LARGE else texts, problems.name)


@dataclass(frozen=True)
class HubTexts(Sequence[Text]):
    """Texts of a data set, whose rows lie in mapped files: each is made when it is asked for."""

    name: str
    rows: Any
    columns: Columns

    def place(self, number: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.name}:{number + 1}"

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, number: int) -> Text: ...

    @overload
    def __getitem__(self, number: slice) -> list[Text]: ...

    def __getitem__(self, number: int | slice) -> Text | list[Text]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        place = number + len(self) if number < 0 else number
        return text_of(Row(self.place(place), self.rows[place]), self.columns)


def load(name: str) -> Mapping[str, Any]:
    """The splits of a data set.

    Raises:
        CorpusError: ``datasets`` is not installed, or the data set cannot be loaded.
    """
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise CorpusError(
            f"there is no file or folder {name!r}, and to load a Hugging Face data set of that "
            "name the package 'datasets' is needed. Install it with: "
            "pip install 'langsteer[datasets]'"
        ) from error
    path, _, configuration = name.partition(":")
    try:
        parts: Mapping[str, Any] = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"the data set {name!r} cannot be loaded: {error} Check its name and the connection."
        ) from error
    return parts


LAYOUT = CorpusLayout({"datasets": ()}, read, splits=True, local=False)
