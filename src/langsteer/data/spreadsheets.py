"""Tables that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@")
PASSED_OVER = ("\t", "\r")
"""What a spreadsheet takes for the beginning of a formula, and what may hide one (OWASP, "CSV
Injection").
"""


def safe_cell(value: object) -> object:
    """The value, or a string that a spreadsheet would run, with an apostrophe before it.

    Numbers stay as they are, also when they are strings.
    """
    if not isinstance(value, str) or _number(value):
        return value
    risky = value.startswith(PASSED_OVER) or value.lstrip().startswith(FORMULA)
    return f"'{value}" if risky else value


def csv_bytes(
    header: Sequence[str], rows: Iterable[Sequence[object]], separator: str = ","
) -> bytes:
    """A table as UTF-8, with no cell that a spreadsheet runs.

    With tabs as separators either every cell is in quotation marks, the header too, or none is:
    :mod:`langsteer.data.rows` tells the two apart by the header.
    """
    table = [[safe_cell(one) for one in row] for row in (header, *rows)]
    quoted = separator == "\t" and any(
        isinstance(cell, str) and set(cell) & set('"\t\r\n') for row in table for cell in row
    )
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=separator,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        lineterminator="\r\n",
    )
    writer.writerows(table)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
