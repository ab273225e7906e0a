"""A corpus of rows, one text each: JSON lines, JSON, CSV or TSV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from langsteer.data.corpus import CONCEPT, Columns, Corpus, Text
from langsteer.data.corpus_layouts import CorpusLayout, CorpusSource
from langsteer.data.fields import Row
from langsteer.data.lines import MARKS
from langsteer.data.packed import UnpackedFile, is_packed
from langsteer.data.problems import Problems
from langsteer.data.rows import KINDS, SUFFIXES, read_rows

LARGE = 2**26
"""Bytes of a file from which on its texts are not held in memory."""
_PACKED_LESS = 16
"""A packed file of a sixteenth of that may be as large when it is unpacked."""
BEGIN = 2**20
OTHERS = tuple(mark for mark, encoding in MARKS if encoding != "utf-8")
"""Byte order marks of other encodings than UTF-8."""


def read(source: CorpusSource) -> Corpus:
    """The corpus of all rows.

    Raises:
        CorpusError: the file or rows of it cannot be read.
    """
    problems = Problems(source.name)
    if source.format == "jsonl" and source.path.stat().st_size >= LARGE / _PACKED_LESS:
        found = _large(source, problems)
        if found is not None:
            return found
    rows = read_rows(source.path, problems, source.format)
    columns = source.columns
    needed = {"text": columns.text, "language": columns.language}
    rows.require(needed if columns.concept == CONCEPT else {**needed, "concept": columns.concept})
    return corpus_of(rows, columns, problems)


def _large(source: CorpusSource, problems: Problems) -> Corpus | None:
    """The corpus of a large file, whose texts stay on disk; None if it is to be read whole."""
    # That module makes texts of rows, so it imports this one.
    from langsteer.data.texts_on_disk import TextsOnDisk  # noqa: PLC0415

    holder = UnpackedFile(source.path) if is_packed(source.path) else None
    path = source.path if holder is None else holder.path
    if not on_disk(path):
        return None
    texts = TextsOnDisk.of(path, source.columns, problems, source.path, holder)
    return Corpus(texts, source.name)


def on_disk(path: Path) -> bool:
    """Whether a file of JSON lines is so large that its texts stay there: if it can be read so."""
    if path.stat().st_size < LARGE:
        return False
    with path.open("rb") as file:
        begin = file.read(BEGIN)
    # What is not UTF-8, or ends its lines otherwise, is for the reader that sees all of it.
    return not begin.startswith(OTHERS) and b"\n" in begin and b"\0" not in begin


def corpus_of(rows: Iterable[Row], columns: Columns, problems: Problems) -> Corpus:
    """The corpus of rows, named as the problems are.

    Raises:
        CorpusError: there is a problem with any row, or there are none.
    """
    texts = []
    for row in rows:
        with problems.at(row.place):
            texts.append(text_of(row, columns))
    problems.refuse()
    return Corpus(tuple(texts), problems.name)


def text_of(row: Row, columns: Columns) -> Text:
    """The text of a row.

    Raises:
        CorpusError: it lacks a column, or one holds what it should not.
        LanguageError: its language is not a tag.
    """
    text, language = row.string(columns.text), row.string(columns.language)
    if columns.concept != CONCEPT and columns.concept not in row.values:
        row.string(columns.concept)
    return Text(text, language, row.label(columns.concept))


LAYOUT = CorpusLayout(
    {kind: tuple(end for end, name in SUFFIXES.items() if name == kind) for kind in KINDS}, read
)
