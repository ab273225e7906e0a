"""The cells of tables, CSV (RFC 4180) and TSV, row by row."""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from langsteer.data.files import spoken
from langsteer.data.lines import split_lines
from langsteer.data.problems import shown
from langsteer.errors import CorpusError

DOUBLED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')
"""A field in quotation marks in which all others are doubled: nobody writes so but CSV writers."""
AS_IT_STANDS = (
    "In a TSV file quotation marks stand for themselves and keep nothing together; save the table "
    "as CSV if fields hold tabs or several lines."
)
LIMIT_LOCK = threading.Lock()


def csv_cells(text: str, path: Path, separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV table that are not blank, each with the line on which it starts.

    Raises:
        CorpusError: quotation marks are not in order.
    """
    end, lines = split_lines(text)
    # The ends go back on, as a quoted field may hold several lines. strict: a stray quotation mark
    # is an error and does not swallow the lines that follow.
    reader = csv.reader((line + end for line in lines), delimiter=separator, strict=True)
    found: list[tuple[int, list[str]]] = []
    with LIMIT_LOCK:
        # The limit belongs to the whole process. It only ever rises for a moment, which harms
        # nobody else, and no field is longer than the file.
        limit = csv.field_size_limit()
        csv.field_size_limit(max(limit, len(text) + 1))
        try:
            while True:
                start = reader.line_num + 1
                row = next(reader, None)
                if row is None:
                    break
                found.append((start, row))
        except csv.Error as error:
            raise CorpusError(
                f"{spoken(path)}:{start}: the row that starts here cannot be read ({error}). Put a "
                "field that holds quotation marks into quotation marks and double those in it: "
                '"""Yes"", she said."'
            ) from error
        finally:
            csv.field_size_limit(limit)
    return ((number, row) for number, row in found if row)


def tsv_cells(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The same of a table with tabs: nothing is quoted, unless the header is.

    Raises:
        CorpusError: a field is quoted as in CSV, though the header is not.
    """
    _, lines = split_lines(text)
    rows = [line.removesuffix("\r").split("\t") for line in lines]
    if rows and all(len(name) > 1 and name[0] == name[-1] == '"' for name in rows[0]):
        yield from csv_cells(text, path, "\t")
        return
    for number, row in enumerate(rows, start=1):
        doubled = next((field for field in row if DOUBLED.fullmatch(field)), None)
        if doubled is not None:
            raise CorpusError(
                f"{spoken(path)}:{number}: the field {shown(doubled)} is quoted as in a CSV file, "
                f"but the header is not. {AS_IT_STANDS}"
            )
        if row != [""]:
            yield number, row
