"""Prompts in the layouts that people have on disk: one module each, and one line here.

A file is told apart by the names of its fields, a folder by what lies in it:

- CSV and TSV files at any depth, such as ``test_sets`` of the language confusion benchmark:
  ``monolingual/okapi/de.csv``, ``crosslingual/sharegpt/ja.csv``, …; each is read as such a file.
- Text files named by language, one question a line, the same ones in every language, as in
  CLaS-Bench.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from langsteer.data.fields import Row
from langsteer.data.files import spoken
from langsteer.data.folders import files_in
from langsteer.data.lines import read_lines
from langsteer.data.problems import Problems
from langsteer.data.prompts import Prompt, PromptSet, lexicon
from langsteer.data.rows import Rows, read_rows
from langsteer.errors import CorpusError

MODULES = (
    "clas_bench",
    "language_confusion",
    "ours",
)
"""Each is a module `prompts_NAME` with a `LAYOUT`; the first that fits is taken."""
TABLES = (".csv", ".tsv")
QUESTION_FIELDS = ("language_code", "question")
"""The fields of a question in a folder of text files."""


@dataclass(frozen=True, slots=True)
class PromptLayout:
    """One way in which prompts lie on the disk."""

    fits: Callable[[Rows], bool]
    """Whether the rows of a file are of this layout."""
    read: Callable[[Rows, Problems, str | None], list[Prompt]]
    """The prompts of the rows. What is wrong goes to the problems; the last argument is the
    language in which the model answers when it is left alone, for layouts that don't name it.
    """


def read_any(path: Path, source: str | None = None) -> PromptSet:
    """The prompts at a path, in whichever layout.

    Args:
        path: A file or a folder.
        source: The language in which the model answers prompts of the language confusion benchmark
            when it is left alone; English by default. The other layouts name it for each prompt.

    Raises:
        CorpusError: There is nothing at the path, or its layout is none of these.
    """
    path = path.expanduser()
    if not os.path.exists(path):
        raise CorpusError(
            f"There is no file of prompts at {spoken(path)}. Give a JSONL or CSV file, or a folder."
        )
    problems = Problems(spoken(path))
    files = _folder(path, problems) if path.is_dir() else [read_rows(path, problems)]
    problems.refuse()
    prompts = [one for rows in files for one in _prompts(rows, problems, source)]
    problems.refuse()
    if not prompts:
        raise CorpusError(
            f"{spoken(path)} holds no prompts. Write one JSON object per line, such as "
            '{"prompt": "Why is the sky blue?", "language": "en"}.'
        )
    return PromptSet(tuple(prompts), lexicon(prompts))


def _prompts(rows: Rows, problems: Problems, source: str | None) -> list[Prompt]:
    layouts = [import_module(f"langsteer.data.prompts_{name}").LAYOUT for name in MODULES]
    layout = next((one for one in layouts if one.fits(rows)), None)
    if layout is not None:
        found: list[Prompt] = layout.read(rows, problems, source)
        return found
    raise CorpusError(
        f"{spoken(rows.path)} has the columns {', '.join(map(repr, rows.header or ()))}. A table "
        "of prompts needs prompt and language (language confusion benchmark) or language_code and "
        "question (CLaS-Bench)."
    )


def _folder(path: Path, problems: Problems) -> list[Rows]:
    """The rows of every table in a folder or, if there is none, of all its text files together."""
    tables = files_in(path, TABLES, deep=True)
    if tables:
        return [read_rows(file, problems) for file in tables]
    texts = files_in(path, (".txt",))
    if not texts:
        raise CorpusError(
            f"The folder {spoken(path)} holds no prompts. Give a folder of text files named by "
            "language (de.txt, …), the test_sets of the language confusion benchmark, or a JSONL "
            "file."
        )
    rows = [
        Row(
            f"{spoken(file)}:{number}",
            dict(zip(QUESTION_FIELDS, (spoken(file.stem), line.strip()), strict=True)),
        )
        for file in texts
        for number, line in enumerate(read_lines(file), start=1)
        if line.strip()
    ]
    return [Rows(path, tuple(rows), QUESTION_FIELDS)]
