"""Prompts in the layouts that people have on disk, told apart by what is there.

- A file of JSON lines: our own (:mod:`langsteer.data.prompts`), or rows with
  ``language_code`` and ``question`` as in the published set of CLaS-Bench.
- A CSV or TSV file with ``language_code`` and ``question``: CLaS-Bench; with ``prompt`` and
  ``language``: the language confusion benchmark.
- A folder of text files named by language, one question a line, the same ones in every language:
  CLaS-Bench.
- A folder with CSV files named by language at any depth, such as ``test_sets`` of the language
  confusion benchmark: ``monolingual/okapi/de.csv``, ``crosslingual/sharegpt/ja.csv``, …
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from langsteer.data.corpus import read_lines, refuse, table_rows
from langsteer.data.prompts import Prompt, PromptSet, read_prompts
from langsteer.errors import CorpusError, LanguageError
from langsteer.text.tags import display_name, normalise

QUESTION_COLUMNS = frozenset({"language_code", "question"})
CONFUSION_COLUMNS = frozenset({"prompt", "language"})
FALLS_INTO = "en"
"""The language that models fall into in the language confusion benchmark, and in which its
cross-lingual prompts are written.
"""
CLAS = "clas-bench"
QUESTIONS = 70
"""CLaS-Bench asks so many questions in each language, and no more are read."""


def read_any(path: Path, source: str | None = None) -> PromptSet:
    """The prompts at a path, in whichever layout.

    Args:
        path: A file or a folder.
        source: The language in which the model answers prompts of the language confusion benchmark
            when it is left alone; English by default. The other layouts name it for each prompt.

    Raises:
        CorpusError: There is nothing at the path, or its layout is none of these.
    """
    if path.is_dir():
        return _folder(path, source)
    if path.suffix.lower() in (".csv", ".tsv"):
        return PromptSet(tuple(_table(path, source)))
    if path.is_file() and (rows := _question_lines(path)):
        return PromptSet(tuple(questions(rows)))
    return read_prompts(path)


def _folder(path: Path, source: str | None) -> PromptSet:
    tables = sorted(path.rglob("*.csv"))
    if tables:
        return PromptSet(tuple(prompt for file in tables for prompt in _table(file, source)))
    texts = sorted(path.glob("*.txt"))
    if not texts:
        raise CorpusError(
            f"The folder {path} holds no prompts. Give a folder of text files named by language "
            "(de.txt, …), the test_sets of the language confusion benchmark, or a JSONL file."
        )
    rows: list[tuple[str, str]] = []
    problems = []
    for file in texts:
        try:
            language = normalise(file.stem)
        except LanguageError as error:
            problems.append(f"{file}: {error}")
            continue
        rows += [(language, line.strip()) for line in read_lines(file) if line.strip()]
    refuse(str(path), problems)
    return PromptSet(tuple(questions(rows)))


def questions(rows: Iterable[tuple[str, str]]) -> Iterator[Prompt]:
    """Prompts of CLaS-Bench from languages and questions, the n-th ones of all languages being one
    concept.

    The prompting baseline is its first one: the question with the request, in English, to answer in
    the target language.
    """
    given = list(rows)
    languages = sorted({language for language, _ in given})
    count: Counter[str] = Counter()
    for language, text in given:
        count[language] += 1
        if count[language] <= QUESTIONS:
            yield Prompt(
                text=text,
                language=language,
                family=CLAS,
                concepts=(f"{CLAS}:{count[language]}",),
                instructed={
                    target: f"{text} Respond in {display_name(target)}."
                    for target in languages
                    if target != language
                },
            )


def _question_lines(path: Path) -> list[tuple[str, str]]:
    """Language and question of each line; empty if the first line is of another layout."""
    found = []
    for line in read_lines(path):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                return []
            if not isinstance(row, dict) or not row.keys() >= QUESTION_COLUMNS:
                return []
            found.append((normalise(str(row["language_code"])), str(row["question"])))
    return found


def _table(path: Path, source: str | None) -> list[Prompt]:
    rows = table_rows(path, csv.excel_tab if path.suffix.lower() == ".tsv" else csv.excel)
    _, header = next(rows, (0, []))
    given = [
        (f"{path}:{number}", dict(zip(header, fields, strict=False))) for number, fields in rows
    ]
    if set(header) >= QUESTION_COLUMNS:
        return list(
            questions((normalise(row["language_code"]), row["question"]) for _, row in given)
        )
    if set(header) >= CONFUSION_COLUMNS:
        return _confusion_prompts(path, given, normalise(source or FALLS_INTO))
    raise CorpusError(
        f"{path} has the columns {', '.join(map(repr, header)) or 'none'}. A table of prompts "
        "needs prompt and language (language confusion benchmark) or language_code and question "
        "(CLaS-Bench)."
    )


def _confusion_prompts(
    path: Path, rows: Iterable[tuple[str, Mapping[str, str]]], source: str
) -> list[Prompt]:
    """Prompts that want an answer in one language, while the model falls into another."""
    task = next((part for part in path.parts[::-1] if part.endswith("lingual")), "")
    found, problems = [], []
    for where, row in rows:
        try:
            target = normalise(row["language"])
        except LanguageError as error:
            problems.append(f"{where}: {error}")
            continue
        family = " ".join(filter(None, (task, row.get("source") or path.parent.name)))
        if row["prompt"].strip():
            found.append(Prompt(row["prompt"], source, family=family, targets=(target,)))
    refuse(str(path), problems)
    return found
