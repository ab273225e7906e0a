"""JSON lines and JSON lists, value by value, each with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from langsteer.data.files import spoken
from langsteer.data.lines import read_text, split_lines
from langsteer.data.problems import Problems, shown
from langsteer.errors import CorpusError

HALVES = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes of which only pairs are a character."""


def json_values(path: Path, problems: Problems, kind: str) -> Iterator[tuple[str, object]]:
    """The values in a file of JSON lines (kind ``jsonl``), or in a JSON list (``json``).

    Yields the place of each, and the value, whatever its type.

    Raises:
        CorpusError: the file cannot be read at all.
    """
    text = read_text(path)
    if kind == "json" and text.lstrip().startswith("["):
        yield from _items(text, path, problems)
    elif kind == "json" and not _has_lines(text):
        place = f"{spoken(path)}:{_line(text, len(text) - len(text.lstrip()))}"
        with problems.at(place):
            yield place, parse_json(text)
    else:
        for number, line in enumerate(split_lines(text)[1], start=1):
            if line.strip():
                place = f"{spoken(path)}:{number}"
                with problems.at(place):
                    # Files that were joined have byte order marks within.
                    yield place, parse_json(line.removeprefix("\ufeff"))


def _has_lines(text: str) -> bool:
    """Whether the first line that is not blank is one JSON value: others may follow."""
    try:
        parse_json(text.lstrip().partition("\n")[0])
    except CorpusError:
        return not text.strip()
    return True


def parse_json(text: str) -> object:
    """The value of a text in JSON.

    Raises:
        CorpusError: it is none, an object has a name twice, or there is half a surrogate pair.
    """
    try:
        return _checked(DECODER.decode(text), text)
    except (ValueError, RecursionError) as error:
        raise _no_json(text, error) from error


def _no_json(text: str, error: Exception) -> CorpusError:
    hint = ""
    if text.strip() in ("[", "{"):
        hint = " If the whole file is one JSON list, let its name end with .json."
    return CorpusError(
        f"this is not JSON ({error}): {shown(text)}. Write one value per line.{hint}"
    )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CorpusError(f"the object has {twice!r} twice. Keep one of them.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _checked(value: object, text: str) -> object:
    if HALVES.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"there is half a surrogate pair: {shown(error.object[error.start])}. Write whole "
                "characters."
            ) from error
    return value


def _items(text: str, path: Path, problems: Problems) -> Iterator[tuple[str, object]]:
    """The items of a JSON list, each with the line on which it begins."""
    at, line, counted = _blank(text, text.index("[") + 1), 1, 0
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        place = f"{spoken(path)}:{line}"
        try:
            value, end = DECODER.raw_decode(text, at)
            at = _blank(text, end)
            if text[at : at + 1] not in (",", "]"):
                raise ValueError("a comma or the end of the list is missing")
        except (ValueError, RecursionError, CorpusError) as error:
            problems.add(f"{place}: the list is not JSON from here on ({error}). Mend it.")
            return
        with problems.at(place):
            yield place, _checked(value, text[counted:at])
        if text[at] == ",":
            at = _blank(text, at + 1)
            if text[at : at + 1] == "]":
                problems.add(f"{place}: nothing follows the last comma of the list. Remove it.")
    if text[at + 1 :].strip():
        problems.add(
            f"{spoken(path)}:{_line(text, at)}: there is more after the end of the list. Keep one "
            "list in the file."
        )


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
