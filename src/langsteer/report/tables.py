"""Tables of values: shown on the page and written as CSV from the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from langsteer.data.spreadsheets import csv_bytes
from langsteer.evaluation.aggregate import Rate
from langsteer.report import numbers

Kind = Literal["text", "rate", "real", "count"]
Value = str | float | int | None

HALVES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the CSV, its heading on the page, and how its values are written."""

    name: str
    heading: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values; on the page they are rounded, in the CSV they are not."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]

    def csv(self) -> str:
        """The table as CSV (RFC 4180), numbers in full precision, missing values empty."""
        return self.data().decode()

    def data(self) -> bytes:
        """The CSV as UTF-8; halves of surrogate pairs, which have no UTF-8, are replaced, and no
        cell is a formula to a spreadsheet.
        """
        rows = [
            [value.translate(HALVES) if isinstance(value, str) else value for value in row]
            for row in self.rows
        ]
        return csv_bytes([column.name for column in self.columns], rows)

    def shown(self) -> list[list[str]]:
        """The rows as they are written on the page."""
        return [
            [written(value, column.kind) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]


def written(value: Value, kind: Kind) -> str:
    """One value as it is written on the page."""
    if value is None or isinstance(value, str):
        return value or numbers.NONE
    if kind == "rate":
        return numbers.percent(value)
    return numbers.count(int(value)) if kind == "count" else numbers.real(value)


def rate_columns(name: str, heading: str) -> list[Column]:
    """The four columns that a rate fills: value, interval and number of observations."""
    return [
        Column(name, heading, "rate"),
        Column(f"{name}_low", "low", "rate"),
        Column(f"{name}_high", "high", "rate"),
        Column(f"{name}_n", "n", "count"),
    ]


def rate_values(rate: Rate | None) -> list[Value]:
    """What a rate puts into its four columns."""
    return [None] * 4 if rate is None else [rate.value, rate.low, rate.high, rate.n]
