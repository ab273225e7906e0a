"""Which files of a folder hold data; none is passed over without a word."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from langsteer.data.files import spoken
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError

NOTES = re.compile(r"(readme|licen[cs]e|notice|copying|changelog|changes|authors|citation)\b", re.I)
"""Names of files about a corpus, which are not part of it."""


def files_in(folder: Path, suffixes: Collection[str], *, deep: bool = False) -> list[Path]:
    """The files of a folder with one of these endings, sorted by name.

    Hidden files and notes such as ``README.txt`` are left out.

    Args:
        folder: The folder.
        suffixes: Endings in small letters, ``.txt``; files may have them in capitals.
        deep: Also those in folders below it, links to folders included.

    Raises:
        CorpusError: the folder or one below cannot be read, or what has such a name is no file:
            a link to nowhere, a pipe, a folder.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted(folders) if deep and real not in seen else []
        if real not in seen:
            found += [Path(place, name) for name in names if _holds_data(name, suffixes)]
        seen.add(real)
    problems = Problems(spoken(folder))
    for file in found:
        if not file.is_file():
            problems.add(f"{spoken(file)}: {_what(file)}. Mend or remove it.")
    problems.refuse()
    return sorted(found)


def _holds_data(name: str, suffixes: Collection[str]) -> bool:
    hidden = name.startswith(".")
    return not hidden and Path(name).suffix.lower() in suffixes and not NOTES.match(name)


def _what(file: Path) -> str:
    if file.is_symlink():
        return f"the link to {spoken(os.readlink(file))} leads nowhere"
    return "this is no file that can be read"


def _unreadable(error: OSError) -> NoReturn:
    raise CorpusError(
        f"the folder {spoken(error.filename)} cannot be read: {error.strerror}. Check its "
        "permissions."
    ) from error
