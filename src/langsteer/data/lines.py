"""The text of files, and its lines: the one place where bytes become text.

- A byte order mark says which encoding it is: UTF-8, UTF-16 or UTF-32; without one it is UTF-8.
- Bytes that are not UTF-8, NUL bytes and what looks like UTF-16 without a mark are refused.
- A line ends with LF or CRLF; in a file without any LF, with CR. Nothing else ends a line: U+2028,
  U+0085 and their like are letters of the text.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from langsteer.data.files import spoken
from langsteer.data.packed import is_packed, unpacked
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order mark → encoding. That of UTF-16 begins that of UTF-32, so it comes later."""
CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
"""Control characters that no text has; letters of UTF-16, read as UTF-8, are full of them."""
CONTROLS_SHARE = 0.125
AS_UTF8 = (
    "Save it as UTF-8, with an editor or a command such as: iconv -f UTF-16LE -t UTF-8 OLD > NEW"
)


def kind_of(path: Path) -> str:
    """What a file's name ends with, in small letters, but for the ending of one that is packed."""
    return Path(path.stem).suffix.lower() if is_packed(path) else path.suffix.lower()


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark; unpacked, where its name says so.

    Raises:
        CorpusError: the file cannot be read or is no text in a known encoding; the message names
            the line.
    """
    try:
        raw = unpacked(path) if is_packed(path) else path.read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    mark, encoding = next((one for one in MARKS if raw.startswith(one[0])), (b"", "utf-8"))
    raw = raw.removeprefix(mark)
    text = _utf8(raw, path) if encoding == "utf-8" else _marked(raw, encoding, path)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise CorpusError(
            f"{spoken(path)}:{line}: there is a NUL byte, so this is no text in UTF-8. It may be "
            f"UTF-16 or UTF-32 without a byte order mark, or no text at all. {AS_UTF8}"
        )
    if len(CONTROLS.findall(text)) > CONTROLS_SHARE * len(text):
        raise CorpusError(
            f"{spoken(path)}:1: the file is full of control characters. It may be UTF-16 without a "
            f"byte order mark, or no text at all. {AS_UTF8}"
        )
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of a file, without what ends them.

    Raises:
        CorpusError: as for :func:`read_text`.
    """
    end, lines = split_lines(read_text(path))
    return [line.removesuffix("\r") for line in lines] if end == "\n" else lines


def split_lines(text: str) -> tuple[str, list[str]]:
    """The letter that ends the lines of a text, LF or CR, and the lines without it."""
    end = "\r" if "\r" in text and "\n" not in text else "\n"
    return end, text.removesuffix(end).split(end) if text else []


def unreadable(path: Path, error: Exception) -> CorpusError:
    """What to say of a file that cannot be read."""
    reason = getattr(error, "strerror", None) or error
    return CorpusError(
        f"{spoken(path)!r} cannot be read: {reason}. Check the path and its permissions."
    )


def _marked(raw: bytes, encoding: str, path: Path) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, "replace").count("\n") + 1
        raise CorpusError(
            f"{spoken(path)}:{line}: the byte order mark says {encoding.upper()}, but byte "
            f"{error.start + 1} of the file is none ({error.reason}). Save the file as UTF-8."
        ) from error


def _utf8(raw: bytes, path: Path) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # A NUL tells more than the first byte that is not UTF-8: it is another encoding altogether.
        if b"\0" in raw:
            return raw.decode(errors="replace")
    problems = Problems(spoken(path.name))
    for number, line in enumerate(raw.split(b"\n"), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            problems.add(
                f"{spoken(path)}:{number}: byte {line[error.start]:#04x} at position "
                f"{error.start + 1} is not UTF-8. Save the file as UTF-8."
            )
    problems.refuse()
    raise CorpusError(f"{spoken(path)} is not UTF-8. Save the file as UTF-8.")
