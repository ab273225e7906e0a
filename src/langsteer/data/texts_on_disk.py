"""The texts of a large file of JSON lines, of which memory holds only where each begins."""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, overload

from langsteer.data.corpus import Columns, Text
from langsteer.data.corpus_rows import text_of
from langsteer.data.files import spoken
from langsteer.data.json_values import parse_json
from langsteer.data.lines import unreadable
from langsteer.data.problems import Problems
from langsteer.data.rows import row_of_json
from langsteer.errors import CorpusError


@dataclass(frozen=True)
class TextsOnDisk(Sequence[Text]):
    """Texts that are read from the file each time they are asked for, in order or any other.

    `starts` are the places in the file where their lines begin, `stamp` its size and the time of
    its last change when they were found. A `holder` keeps the file there as long as it is needed.
    """

    path: Path
    columns: Columns
    starts: array[int]
    stamp: tuple[int, int]
    holder: object = None

    @classmethod
    def of(
        cls,
        path: Path,
        columns: Columns,
        problems: Problems,
        shown: Path | None = None,
        holder: object = None,
    ) -> TextsOnDisk:
        """The texts of all lines, each of which is read once to see that it is one.

        Problems name the file `shown`, from which this one was unpacked, where it is given.

        Raises:
            CorpusError: the file cannot be read, or there is a problem with any line.
        """
        starts, stamp = array("Q"), _stamp(path)
        with _opened(path) as file:
            for number, (start, line) in enumerate(_lines(file), start=1):
                if not line.strip():
                    continue
                with problems.at(f"{spoken(shown or path)}:{number}"):
                    _text(path, line, columns)
                    starts.append(start)
        problems.refuse()
        return cls(path, columns, starts, stamp, holder)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Text]:
        self._check()
        with _opened(self.path) as file:
            for _, line in _lines(file):
                if line.strip():
                    yield _text(self.path, line, self.columns)

    @overload
    def __getitem__(self, place: int) -> Text: ...

    @overload
    def __getitem__(self, place: slice) -> list[Text]: ...

    def __getitem__(self, place: int | slice) -> Text | list[Text]:
        self._check()
        with _opened(self.path) as file:
            if isinstance(place, slice):
                return [self._at(file, start) for start in self.starts[place]]
            return self._at(file, self.starts[place])

    def _at(self, file: BinaryIO, start: int) -> Text:
        file.seek(start)
        return _text(self.path, file.readline(), self.columns)

    def _check(self) -> None:
        if _stamp(self.path) != self.stamp:
            raise CorpusError(
                f"{spoken(self.path)} has changed while it was read. Begin again, and leave it as "
                "it is until the end."
            )


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with the place where it begins."""
    start = 0
    for line in file:
        yield start, line
        start += len(line)


def _text(path: Path, line: bytes, columns: Columns) -> Text:
    """The text in a line.

    Raises:
        CorpusError: it is no text.
    """
    try:
        decoded = line.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"byte {line[error.start]:#04x} at position {error.start + 1} is not UTF-8. Save the "
            "file as UTF-8."
        ) from error
    return text_of(row_of_json(spoken(path), parse_json(decoded)), columns)
