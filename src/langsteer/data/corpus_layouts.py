"""The layouts that a corpus may have: one module each, ``corpus_NAME``, and one line here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from langsteer.data.corpus import Columns, Corpus
from langsteer.data.files import spoken
from langsteer.data.lines import kind_of
from langsteer.errors import CorpusError

MODULES = (
    "rows",
    "folder",
    "hub",
    "parquet",
    "tmx",
)
"""Each is a module `corpus_NAME` with a `LAYOUT`."""
DATASET = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")
"""How a Hugging Face data set is called: ``owner/name`` or ``owner/name:configuration``."""


@dataclass(frozen=True, slots=True)
class CorpusSource:
    """What is to be read."""

    path: Path
    format: str
    columns: Columns
    split: str | None

    @property
    def name(self) -> str:
        """What the corpus is called: the name of its file or folder."""
        return spoken(self.path.name or self.path.resolve().name)


@dataclass(frozen=True, slots=True)
class CorpusLayout:
    """One way in which a corpus lies on the disk, or elsewhere."""

    formats: Mapping[str, tuple[str, ...]]
    """What its formats are called → the endings of the names of such files."""
    read: Callable[[CorpusSource], Corpus]
    splits: bool = False
    """Whether it may have several parts, of which one is read."""
    local: bool = True
    """Whether it is at a path."""


@cache
def layouts() -> Mapping[str, CorpusLayout]:
    """Format → its layout."""
    found = [import_module(f"langsteer.data.corpus_{name}").LAYOUT for name in MODULES]
    return {name: layout for layout in found for name in layout.formats}


def read_layout(path: str, format: str | None, split: str | None, columns: Columns) -> Corpus:
    """Read a corpus; the parameters are those of :meth:`Corpus.read`.

    Raises:
        CorpusError: as there.
    """
    place = os.path.expanduser(path)
    chosen = format or sniff(place)
    if chosen not in layouts():
        raise CorpusError(f"there is no format {chosen!r}. Use one of: {', '.join(layouts())}.")
    layout = layouts()[chosen]
    if layout.local and not os.path.exists(place):
        raise CorpusError(f"there is no file or folder {spoken(path)!r}. Check the path.")
    if split is not None and not layout.splits:
        raise CorpusError(
            f"split {split!r} was asked for, but {spoken(path)!r} is one file. Leave out the "
            "split, or give the file that holds it."
        )
    return layout.read(CorpusSource(Path(place), chosen, columns, split))


def sniff(path: str) -> str:
    """The format that a path looks like.

    Raises:
        CorpusError: it looks like none.
    """
    suffixes = {
        suffix: name for name, layout in layouts().items() for suffix in layout.formats[name]
    }
    suffix = kind_of(Path(path))
    if os.path.isdir(path):
        return "folder"
    if suffix in suffixes:
        return suffixes[suffix]
    if os.path.lexists(path):
        raise CorpusError(
            f"the name of {spoken(path)!r} does not tell its format. Give it one of the endings "
            f"{', '.join(suffixes)}, or say which format it has."
        )
    if DATASET.fullmatch(path):
        return "datasets"
    raise CorpusError(
        f"there is no file or folder {spoken(path)!r}. Check the path; a Hugging Face data set is "
        "given as owner/name."
    )
