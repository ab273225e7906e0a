"""Rows with named fields: the one reader of JSON lines, JSON, CSV and TSV.

- JSON lines: one object per line; blank lines are passed over.
- JSON: a list of objects, or one object; JSON lines in a file of that name are read too.
- CSV: RFC 4180 with a header. Fields may be of any length and hold several lines.
- TSV: with a header, as it is commonly exported: every field stands as it is, quotation marks
  included. Where the names in the header are themselves in quotation marks, the file was written
  with quoting, and is read so.

Strict the same way for everyone: a name that occurs twice, a row with more or fewer fields than the
header, half a surrogate pair and a value of the wrong type are errors that name file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from langsteer.data.cells import AS_IT_STANDS, csv_cells, tsv_cells
from langsteer.data.fields import Row
from langsteer.data.files import spoken
from langsteer.data.json_values import json_values
from langsteer.data.lines import kind_of, read_text
from langsteer.data.problems import Problems, shown
from langsteer.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file."""

    path: Path
    rows: tuple[Row, ...]
    header: tuple[str, ...] | None = None
    """The names in the first row of a table; None for JSON."""

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def names(self) -> frozenset[str]:
        """What a table has in its header, or the first row of a JSON file as names."""
        first = self.rows[0].values if self.rows else ()
        return frozenset(first if self.header is None else self.header)

    def require(self, columns: Mapping[str, str]) -> None:
        """Check that a table has columns. A row of JSON is checked when it is read.

        Args:
            columns: What a column is for → its name.

        Raises:
            CorpusError: the header lacks one of them.
        """
        if self.header is None:
            return
        missing = [
            f"{name!r} for the {what}" for what, name in columns.items() if name not in self.header
        ]
        if missing:
            raise CorpusError(
                f"{spoken(self.path)}:1: the table has no column {' and no column '.join(missing)}."
                f" It has: {', '.join(map(repr, self.header))}. Say which of its columns to use."
                f"{_other_separator(self.header)}"
            )


def read_rows(path: Path, problems: Problems, kind: str | None = None) -> Rows:
    """The rows of a file. What is wrong with single ones goes to the problems.

    Args:
        path: The file.
        problems: Where to keep what is wrong with single rows.
        kind: One of `KINDS`; by default what the name of the file says, else JSON lines.

    Raises:
        CorpusError: the file cannot be read at all.
    """
    return KINDS[kind or SUFFIXES.get(kind_of(path), "jsonl")](path, problems)


def _json(path: Path, problems: Problems, kind: str) -> Rows:
    rows = []
    for place, value in json_values(path, problems, kind):
        with problems.at(place):
            rows.append(row_of_json(place, value))
    return Rows(path, tuple(rows))


def row_of_json(place: str, value: object) -> Row:
    """The row that a value in JSON stands for.

    Raises:
        CorpusError: it is no object.
    """
    if not isinstance(value, dict):
        raise CorpusError(f"this is not a JSON object: {shown(value)}. Write one object per row.")
    return Row(place, value)


def _table(
    path: Path, problems: Problems, fields: Callable[[str, Path], Iterator[tuple[int, list[str]]]]
) -> Rows:
    lines = fields(read_text(path), path)
    _, header = next(lines, (1, []))
    if not header:
        raise CorpusError(f"{spoken(path)}:1: the table is empty. Begin it with a header.")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise CorpusError(
            f"{spoken(path)}:1: the header has the column {twice!r} twice. Rename or remove one."
        )
    tabs = fields is tsv_cells
    rows = []
    for number, row in lines:
        place = f"{spoken(path)}:{number}"
        with problems.at(place):
            rows.append(Row(place, _named(header, row, tabs)))
    return Rows(path, tuple(rows), tuple(header))


def _named(header: Sequence[str], fields: Sequence[str], tabs: bool) -> dict[str, object]:
    """The fields by name, if there are as many as the header has names."""
    if len(fields) > len(header):
        remedy = (
            AS_IT_STANDS if tabs else "Put a field that holds the separator in quotation marks."
        )
        raise CorpusError(
            "the row has more fields than the header: "
            f"{shown(list(fields[len(header) :]))} is left over. {remedy}"
        )
    if len(fields) < len(header):
        missing = ", ".join(map(repr, header[len(fields) :]))
        remedy = f" {AS_IT_STANDS}" if tabs else ""
        raise CorpusError(f"the row has no field for {missing}. Add it, be it empty.{remedy}")
    return dict(zip(header, fields, strict=True))


def _other_separator(header: Sequence[str]) -> str:
    """What to add if there is one column only, and it looks like several."""
    other = next((one for one in ";\t|," if one in header[0]), None) if len(header) == 1 else None
    return "" if other is None else f" Its header holds {other!r}: is that the separator?"


KINDS: Mapping[str, Callable[[Path, Problems], Rows]] = {
    "jsonl": partial(_json, kind="jsonl"),
    "json": partial(_json, kind="json"),
    "csv": partial(_table, fields=csv_cells),
    "tsv": partial(_table, fields=tsv_cells),
}
"""The kinds of files with rows."""
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv"}
"""Ending of a file's name → its kind."""
