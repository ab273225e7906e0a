"""Files of answers that were made elsewhere, by whatever engine.

Three layouts, told apart by what is in the file:

- JSON lines with ``answer`` and ``target``, and where known ``prompt``, ``references`` (a string or
  a list), ``source`` (the language it would be in otherwise) and ``group``;
- ``outputs`` of the language confusion benchmark: CSV with ``completion``, ``language``, ``task``,
  ``source`` (the data set) and ``model``;
- results of CLaS-Bench: a JSON object with ``source_language``, ``target_language`` and
  ``results``, a list of ``input`` and ``output``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langsteer.data.corpus import read_lines, refuse, shown, table_rows
from langsteer.errors import CorpusError, LanguageError
from langsteer.text.tags import normalise

ANSWER_KEYS = ("answer", "completion", "output", "response")
TARGET_KEYS = ("target", "language")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")
LCB_COLUMNS = frozenset({"completion", "language", "task", "source"})
LCB_NEXT_QUESTION = "\nQ:"
"""Where the completion of a base model goes on with a question of its own; the benchmark cuts it.
"""
Row = Mapping[str, Any]


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
    files = [path]
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
    elif not path.is_file():
        raise CorpusError(f"There is no file of answers at {path}. Give a JSONL or CSV file.")
    found, problems = [], []
    for file in files:
        for where, row in _rows(file):
            try:
                found.append(_answer(row, target))
            except (CorpusError, LanguageError) as error:
                problems.append(f"{where}: {error}")
    refuse(str(path), problems)
    if not found:
        raise CorpusError(
            f"{path} holds no answers. Give JSON lines such as "
            '{"answer": "Guten Tag", "target": "de"}, or a CSV file with such columns.'
        )
    return found


def _rows(file: Path) -> Iterator[tuple[str, Row]]:
    suffix = file.suffix.lower()
    if suffix in (".csv", ".tsv"):
        yield from _table(file, csv.excel_tab if suffix == ".tsv" else csv.excel)
    elif suffix == ".json":
        yield from _results(file)
    else:
        for number, line in enumerate(read_lines(file), 1):
            if line.strip():
                yield f"{file}:{number}", _object(line)


def _table(file: Path, dialect: type[csv.Dialect]) -> Iterator[tuple[str, Row]]:
    rows = table_rows(file, dialect)
    _, header = next(rows, (0, []))
    benchmark = set(header) >= LCB_COLUMNS
    for number, fields in rows:
        row = dict(zip(header, fields, strict=False))
        yield f"{file}:{number}", _of_benchmark(row) if benchmark else row


def _of_benchmark(row: Row) -> Row:
    """A row of the language confusion benchmark in our own words."""
    return {
        "answer": row.get("completion", "").split(LCB_NEXT_QUESTION)[0],
        "target": row.get("language"),
        "dataset": row.get("source", ""),
        "group": " ".join(filter(None, (row.get("model"), row.get("task")))),
        "prompt": row.get("prompt"),
    }


def _results(file: Path) -> Iterator[tuple[str, Row]]:
    """The rows of one file of CLaS-Bench: one pair of languages."""
    whole = _object("\n".join(read_lines(file)))
    results = whole.get("results")
    if not isinstance(results, list):
        raise CorpusError(
            f'{file} has no list of "results", so it is not a result of CLaS-Bench. Give JSON '
            "lines instead, one object per line, in a file that ends with .jsonl."
        )
    for number, one in enumerate(results, 1):
        if isinstance(one, dict):
            yield (
                f"{file}, result {number}",
                {
                    "answer": one.get("output"),
                    "target": whole.get("target_language"),
                    "source": whole.get("source_language"),
                    "prompt": one.get("input"),
                },
            )


def _object(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as error:
        return {"": f"is not JSON ({error})"}
    return row if isinstance(row, dict) else {"": f"is {shown(row)}, not an object"}


def _answer(row: Row, target: str | None) -> GivenAnswer:
    if "" in row and isinstance(row[""], str) and len(row) == 1:
        raise CorpusError(f"the row {row['']}. Write one JSON object per line.")
    text = _first(row, ANSWER_KEYS)
    if not isinstance(text, str):
        raise CorpusError(
            f"there is no answer: one of {', '.join(ANSWER_KEYS)} must be a string. The row has "
            f"{', '.join(map(repr, row)) or 'nothing'}."
        )
    wanted = _first(row, TARGET_KEYS) or target
    if not isinstance(wanted, str):
        raise CorpusError(
            f"there is no language to be in: one of {', '.join(TARGET_KEYS)} must be a tag. Add "
            "it, or name the language of all answers with --to."
        )
    source = row.get("source") or None
    prompt = row.get("prompt") or None
    return GivenAnswer(
        text=text,
        target=normalise(wanted),
        source=None if source is None else normalise(str(source)),
        prompt=None if prompt is None else str(prompt),
        references=_references(row.get("references")),
        group=str(row.get("group") or ""),
        dataset=str(row.get("dataset") or ""),
    )


def _references(raw: object) -> tuple[str, ...]:
    if raw in (None, ""):
        return ()
    given = [raw] if isinstance(raw, str) else raw
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise CorpusError(
            f'"references" is {shown(raw)}. Give the right answer in the target language, or a '
            "list of such strings."
        )
    return tuple(given)


def _first(row: Row, keys: tuple[str, ...]) -> object:
    return next((row[key] for key in keys if row.get(key) is not None), None)
