"""Files that a page carries inside its links: they work offline and when the page is sent on."""

import gzip
from base64 import b64encode
from dataclasses import dataclass

from langsteer.report.tables import Table

MOST_PLAIN = 4_000_000
"""Bytes from which a table is packed: browsers differ in how long an address they take."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file inside a link: `name` is what it is saved as, `address` holds its content.

    `size` is that of the file in bytes.
    """

    name: str
    address: str
    size: int

    @property
    def kind(self) -> str:
        """What the link is called: `PNG`, `CSV` or `CSV, gzip`."""
        return "CSV, gzip" if self.name.endswith(".gz") else self.name.rpartition(".")[2].upper()


def download(name: str, table: Table) -> Download:
    """A table as `NAME.csv` or, where that would be large, as `NAME.csv.gz`."""
    data = table.data()
    if len(data) <= MOST_PLAIN:
        return link(f"{name}.csv", "text/csv;charset=utf-8", data)
    # Without a time stamp the same table always gives the same page.
    packed = gzip.compress(data, mtime=0)
    return link(f"{name}.csv.gz", "application/gzip", packed)


def link(name: str, kind: str, data: bytes) -> Download:
    """The address of some bytes (RFC 2397)."""
    return Download(name, f"data:{kind};base64,{b64encode(data).decode()}", len(data))
