"""A corpus that is a Parquet file, one text per row."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from langsteer.data.corpus import CONCEPT, Corpus
from langsteer.data.corpus_layouts import CorpusLayout, CorpusSource
from langsteer.data.corpus_rows import corpus_of
from langsteer.data.fields import Row
from langsteer.data.files import spoken
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError


def read(source: CorpusSource) -> Corpus:
    """The corpus of all rows. Only the columns that are asked for are read.

    Raises:
        CorpusError: ``pyarrow`` is not installed, the file or rows of it cannot be read, or it
            lacks a column.
    """
    file = _opened(source)
    columns = source.columns
    names, there = (columns.text, columns.language, columns.concept), set(file.schema_arrow.names)
    needed = names if columns.concept != CONCEPT else names[:2]
    missing = [repr(name) for name in needed if name not in there]
    if missing:
        raise CorpusError(
            f"{spoken(source.path)} has no column {', '.join(missing)}, only "
            f"{', '.join(map(repr, file.schema_arrow.names))}. Name the columns that hold the text "
            "and the language."
        )
    wanted = [name for name in dict.fromkeys(names) if name in there]
    problems = Problems(source.name)
    return corpus_of(_rows(file, wanted, spoken(source.path)), columns, problems)


def _opened(source: CorpusSource) -> Any:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise CorpusError(
            f"to read {spoken(source.path)} the package 'pyarrow' is needed. Install it with: "
            "pip install 'langsteer[datasets]'"
        ) from error
    try:
        return parquet.ParquetFile(source.path)
    except (OSError, ValueError) as error:  # those of pyarrow are of these classes
        reason = str(error).splitlines()[0]
        raise CorpusError(
            f"{spoken(source.path)} cannot be read as a Parquet file: {reason}"
        ) from error


def _rows(file: Any, columns: list[str], name: str) -> Iterator[Row]:
    """The rows, by batches, so that no more than one is there twice."""
    number = 0
    for batch in file.iter_batches(columns=columns):
        for values in batch.to_pylist():
            number += 1
            yield Row(f"{name}:{number}", values)


LAYOUT = CorpusLayout({"parquet": (".parquet",)}, read)
