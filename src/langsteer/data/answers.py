"""Files of answers that were made elsewhere, by whatever engine.

A file is JSON lines, JSON, CSV or TSV, with ``answer`` and ``target``, and where known ``prompt``,
``references`` (a string or a list), ``source`` (the language it would be in otherwise) and
``group``. Other layouts are turned into this one: :mod:`langsteer.data.answer_layouts`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from langsteer.data.answer_layouts import in_our_words
from langsteer.data.fields import Row
from langsteer.data.files import spoken
from langsteer.data.folders import files_in
from langsteer.data.problems import Problems
from langsteer.data.rows import SUFFIXES, read_rows
from langsteer.errors import CorpusError
from langsteer.text.tags import normalise

ANSWER_FIELDS = ("answer", "completion", "output", "response")
TARGET_FIELDS = ("target", "language")


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer, made by whatever engine, and what is known of it."""

    text: str
    target: str
    """The language it should be in."""
    source: str | None = None
    """The language that it would be in otherwise."""
    prompt: str | None = None
    references: tuple[str, ...] = ()
    """Right answers in the target language; any of them will do."""
    group: str = ""
    """What its numbers are reported under, such as a task or a condition."""
    dataset: str = ""
    """Within a target language every data set weighs the same."""
    cluster: str | None = None
    """Answers of one cluster are drawn together; default: those to the same prompt."""

    @property
    def pair(self) -> tuple[str, str]:
        """Source, or an empty string, and target."""
        return (self.source or "", self.target)


def read_answers(path: Path, target: str | None = None) -> list[GivenAnswer]:
    """The answers in a file, or in all files of a folder.

    Args:
        path: JSONL, CSV, TSV or JSON, or a folder of such files.
        target: The target language of answers that do not name theirs.

    Raises:
        CorpusError: There is no such file, or something in it is not as it should be.
    """
    path = path.expanduser()
    if not os.path.exists(path):
        raise CorpusError(
            f"There is no file of answers at {spoken(path)}. Give a JSONL or CSV file."
        )
    files = files_in(path, SUFFIXES, deep=True) if path.is_dir() else [path]
    problems = Problems(spoken(path))
    found = []
    for file in files:
        for row in in_our_words(read_rows(file, problems), problems):
            with problems.at(row.place):
                found.append(_answer(row, target))
    problems.refuse()
    if not found:
        raise CorpusError(
            f"{spoken(path)} holds no answers. Give JSON lines such as "
            '{"answer": "Guten Tag", "target": "de"}, or a CSV file with such columns.'
        )
    return found


def _answer(row: Row, target: str | None) -> GivenAnswer:
    text = row.first(ANSWER_FIELDS)
    if text is None:
        raise CorpusError(
            f"there is no answer: one of {', '.join(ANSWER_FIELDS)} must be a string. The row has "
            f"{', '.join(map(repr, row.values)) or 'nothing'}."
        )
    wanted = row.first(TARGET_FIELDS) or target
    if wanted is None:
        raise CorpusError(
            f"there is no language to be in: one of {', '.join(TARGET_FIELDS)} must be a tag. Add "
            "it, or name the language of all answers with --to."
        )
    source = row.text("source")
    return GivenAnswer(
        text=text,
        target=normalise(wanted),
        source=None if source is None else normalise(source),
        prompt=row.text("prompt"),
        references=row.strings("references"),
        group=row.label("group") or "",
        dataset=row.label("dataset") or "",
    )
