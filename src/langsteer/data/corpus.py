"""Texts with a language and, where they are parallel, a concept; readers for the usual layouts.

Every reader either returns all texts or raises one error that names the rows at fault, with their
file and line.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from langsteer.data.files import write_whole
from langsteer.errors import CorpusError, LangsteerError, LanguageError
from langsteer.text.tags import choose, normalise

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
"""Suffix of a file → its format. Besides these there are ``folder`` and ``datasets``."""
LINE_FILES = (".txt", ".dev", ".devtest", ".test", ".train")
"""Suffixes of the files, one per language, in a folder."""
NOTES = re.compile(r"(readme|licen[cs]e|notice|copying|changelog|changes|authors|citation)\b", re.I)
"""Names of files about a corpus, which are not part of it."""
DATASET = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")
"""How a Hugging Face data set is called: ``owner/name`` or ``owner/name:configuration``."""
CONCEPT = "concept"
Row = TypeVar("Row")
PROBLEMS_SHOWN = 5
PROBLEMS_ENOUGH = 1000
"""Problems after which the rest of the rows is not read: by then it is the wrong column."""
VALUE_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Text:
    """One text. The language is normalised (``PT-br`` becomes ``pt-BR``).

    Raises:
        CorpusError: the text is empty or not valid Unicode.
        LanguageError: the language is not a BCP-47 tag.
    """

    text: str
    language: str
    concept: str | None = None
    """What parallel texts share; ``None`` for a text that has no counterpart."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise CorpusError(f"the text is empty: {self.text!r}. Write a text or remove the row.")
        if any("\ud800" <= letter <= "\udfff" for letter in self.text):
            raise CorpusError(
                f"the text has half a surrogate pair: {shown(self.text)}. Write whole characters."
            )
        object.__setattr__(self, "language", normalise(self.language))


@dataclass(frozen=True)
class Corpus:
    """Texts in order, under a name.

    Raises:
        CorpusError: there are no texts.
    """

    texts: tuple[Text, ...]
    name: str

    def __post_init__(self) -> None:
        if not self.texts:
            raise CorpusError(f"the corpus {self.name!r} has no texts. Give at least one.")

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Language → number of texts, sorted by language."""
        return dict(sorted(Counter(text.language for text in self.texts).items()))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, sorted."""
        return tuple(self.counts)

    @cached_property
    def aligned(self) -> bool:
        """Whether any concept has texts in two or more languages."""
        languages: dict[str, set[str]] = defaultdict(set)
        for text in self.texts:
            if text.concept is not None:
                languages[text.concept].add(text.language)
        return any(len(members) > 1 for members in languages.values())

    @cached_property
    def repeated(self) -> tuple[bool, ...]:
        """For each text whether it is a copy of an earlier one in the same language.

        Copies may differ in white space and in how letters with marks are composed (NFC, NFD).
        """
        seen: set[tuple[str, str]] = set()
        copies = []
        for text in self.texts:
            key = (text.language, " ".join(unicodedata.normalize("NFC", text.text).split()))
            copies.append(key in seen)
            seen.add(key)
        return tuple(copies)

    def duplicates(self) -> dict[str, int]:
        """Language → how many of its texts are copies of an earlier one; only where there are any.

        Copies are no new evidence, so whoever estimates an error must not count them.
        """
        copies = zip(self.texts, self.repeated, strict=True)
        return dict(sorted(Counter(text.language for text, copy in copies if copy).items()))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the rows in their order, without the name of the corpus.

        The same texts in another order have another digest.
        """
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(row_of(text).encode())
        return digest.hexdigest()

    def select(self, languages: Sequence[str]) -> Corpus:
        """The texts in these languages, in the same order.

        Raises:
            LanguageError: the corpus has no text in one of them; the message suggests the nearest.
        """
        wanted = {choose(language, self.languages) for language in languages}
        return Corpus(tuple(text for text in self.texts if text.language in wanted), self.name)

    def limit(self, number: int) -> Corpus:
        """The first `number` texts of each language, in the same order."""
        seen: Counter[str] = Counter()
        kept = []
        for text in self.texts:
            seen[text.language] += 1
            if seen[text.language] <= number:
                kept.append(text)
        return Corpus(tuple(kept), self.name)

    def require_languages(self, minimum: int = 2) -> None:
        """Nothing, if there are enough languages.

        Raises:
            CorpusError: there are fewer than ``minimum``.
        """
        if len(self.languages) < minimum:
            raise CorpusError(
                f"the corpus {self.name!r} has texts in {len(self.languages)} language(s) "
                f"({', '.join(self.languages)}), and {minimum} are needed. Add texts in another "
                "language, or check which column holds the language."
            )

    def write_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write one JSON object per line; the file appears whole or not at all."""
        rows = "".join(row_of(text) for text in self.texts)
        write_whole(Path(path), rows.encode(), CorpusError)


def row_of(text: Text) -> str:
    """The line of JSON that stands for a text."""
    row = {"text": text.text, "language": text.language}
    if text.concept is not None:
        row[CONCEPT] = text.concept
    return json.dumps(row, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold what."""

    text: str
    language: str
    concept: str


class Rows:
    """Collects texts and the problems of the rows that cannot be one."""

    def __init__(self, name: str, columns: Columns) -> None:
        self.name = name
        self.columns = columns
        self.texts: list[Text] = []
        self.problems: list[str] = []

    def add(self, place: str, read: Callable[[Row, Columns], Text], row: Row) -> None:
        """Keep the text that ``read`` finds in the row, or its error together with the place."""
        try:
            self.texts.append(read(row, self.columns))
        except LangsteerError as error:
            self.problems.append(f"{place}: {error}")
            if len(self.problems) == PROBLEMS_ENOUGH:
                refuse(self.name, self.problems)

    def corpus(self) -> Corpus:
        """The corpus of all rows.

        Raises:
            CorpusError: any row had a problem, or there were none.
        """
        refuse(self.name, self.problems)
        return Corpus(tuple(self.texts), self.name)


def read_corpus(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    text_column: str = "text",
    language_column: str = "language",
    concept_column: str = CONCEPT,
    split: str | None = None,
) -> Corpus:
    """Read a corpus of any known layout.

    - ``jsonl``, ``csv``, ``tsv``: one text per row, columns (keys) as named.
    - ``folder``: one text file per language, named by its tag (``de.txt``, ``eng_Latn.dev``); lines
      with the same number are one concept. A split is a folder in it, as in FLORES.
    - ``datasets``: a Hugging Face data set ``owner/name`` or ``owner/name:configuration``, with
      columns as for a table; needs the package ``datasets``.

    Args:
        path: A file, a folder, or the name of a data set.
        format: One of the above; by default what the path looks like.
        text_column: The column with the text.
        language_column: The column with its BCP-47 tag.
        concept_column: The column with what parallel texts share, be it a string or a number. The
            default may be absent; any other must exist.
        split: The part of a folder or of a data set.

    Raises:
        CorpusError: it cannot be found or read, or has rows that cannot be used; the message
            names file and line of the first five and counts them all, up to 1,000.
    """
    place, columns = Path(path), Columns(text_column, language_column, concept_column)
    chosen = format or sniff(str(path))
    if chosen == "datasets":
        return read_dataset(str(path), columns, split)
    if chosen not in READERS and chosen != "folder":
        raise CorpusError(
            f"there is no format {chosen!r}. Use one of: {', '.join(READERS)}, folder, datasets."
        )
    if not place.exists():
        raise CorpusError(f"there is no file or folder {str(path)!r}. Check the path.")
    if chosen == "folder":
        return read_folder(place, split)
    if split is not None:
        raise CorpusError(
            f"split {split!r} was asked for, but {str(path)!r} is one file. Leave out the split, "
            "or give the file that holds it."
        )
    return READERS[chosen](place, columns)


def sniff(path: str) -> str:
    """The format that a path looks like.

    Raises:
        CorpusError: it looks like none.
    """
    place = Path(path)
    if place.is_dir():
        return "folder"
    if place.suffix.lower() in FORMATS:
        return FORMATS[place.suffix.lower()]
    if place.exists():
        raise CorpusError(
            f"the name of {path!r} does not tell its format. Give it one of the endings "
            f"{', '.join(FORMATS)}, or say which format it has."
        )
    if DATASET.fullmatch(path):
        return "datasets"
    raise CorpusError(
        f"there is no file or folder {path!r}. Check the path; a Hugging Face data set is given as "
        "owner/name."
    )


def read_jsonl(path: Path, columns: Columns) -> Corpus:
    """One JSON object per line; blank lines are passed over."""
    rows = Rows(path.name, columns)
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            rows.add(f"{path}:{number}", text_on_line, line)
    return rows.corpus()


def read_table(path: Path, columns: Columns, dialect: type[csv.Dialect]) -> Corpus:
    """A table with a header row."""
    rows = Rows(path.name, columns)
    table = table_rows(path, dialect)
    _, header = next(table, (1, []))
    check_header(path, header, columns)
    for number, fields in table:
        rows.add(f"{path}:{number}", text_in_table, (header, fields))
    return rows.corpus()


def read_csv(path: Path, columns: Columns) -> Corpus:
    """Comma-separated values with a header row."""
    return read_table(path, columns, csv.excel)


def read_tsv(path: Path, columns: Columns) -> Corpus:
    """Tab-separated values with a header row."""
    return read_table(path, columns, csv.excel_tab)


READERS: dict[str, Callable[[Path, Columns], Corpus]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "tsv": read_tsv,
}
"""The formats of a single file."""


def read_folder(folder: Path, split: str | None) -> Corpus:
    """One file per language, aligned by line.

    The concept is the number of the line. A blank line is a text that is missing in that language.

    Raises:
        CorpusError: there are no such files, two are of one language, a name is not a tag, or they
            have different numbers of lines.
    """
    name = folder.name if split is None else f"{folder.name}/{split}"
    files = language_files(chosen_folder(folder, split))
    lines = {language: read_lines(file) for language, file in files.items()}
    check_line_counts({file: len(lines[language]) for language, file in files.items()})
    numbers = range(len(next(iter(lines.values()))))
    texts = [
        Text(lines[language][number].strip(), language, str(number + 1))
        for number in numbers
        for language in lines
        if lines[language][number].strip()
    ]
    return Corpus(tuple(texts), name)


def chosen_folder(folder: Path, split: str | None) -> Path:
    """The folder with the language files, be it the one given or the split in it."""
    if not folder.is_dir():
        raise CorpusError(f"{str(folder)!r} is a file. Give the folder with the language files.")
    splits = sorted(one.name for one in folder.iterdir() if one.is_dir() and line_files(one))
    if split is not None and split not in splits:
        raise CorpusError(
            f"{str(folder)!r} has no split {split!r}. "
            + (f"It has: {', '.join(splits)}." if splits else "Leave out the split: it has none.")
        )
    if split is None and splits and not line_files(folder):
        raise CorpusError(
            f"{str(folder)!r} has several parts. Choose a split: {', '.join(splits)}."
        )
    return folder / split if split else folder


def line_files(folder: Path) -> list[Path]:
    """The files of a folder that may be one language each, sorted by name."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix in LINE_FILES and file.is_file() and not NOTES.match(file.name)
    )


def language_files(folder: Path) -> dict[str, Path]:
    """Language → its file; the tag is the name up to the suffix, after any other dot in it."""
    found: dict[str, Path] = {}
    problems = []
    for file in line_files(folder):
        try:
            language = normalise(file.stem.rsplit(".", maxsplit=1)[-1])
        except LanguageError as error:
            problems.append(f"{file}: the name does not say the language: {error}")
            continue
        if language in found:
            problems.append(f"{file}: {found[language].name!r} is {language!r} too. Remove one.")
        found[language] = file
    refuse(folder.name, problems)
    if not found:
        raise CorpusError(
            f"{str(folder)!r} has no language files. Put one file per language into it, named by "
            "its BCP-47 tag: en.txt, pt-BR.txt."
        )
    return found


def check_line_counts(counts: Mapping[Path, int]) -> None:
    """Refuse files with different numbers of lines: their lines do not correspond."""
    usual = Counter(counts.values()).most_common(1)[0][0]
    like = next(file for file, count in counts.items() if count == usual)
    refuse(
        like.parent.name,
        [
            f"{file} has {count} lines and {like} has {usual}. Lines with the same number must be "
            "translations of each other; leave a line blank where one is missing."
            for file, count in counts.items()
            if count != usual
        ],
    )


def read_dataset(name: str, columns: Columns, split: str | None) -> Corpus:
    """A Hugging Face data set, one text per row.

    Raises:
        CorpusError: ``datasets`` is not installed, the data set cannot be loaded, or it has no such
            split.
    """
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise CorpusError(
            f"there is no file or folder {name!r}, and to load a Hugging Face data set of that "
            "name the package 'datasets' is needed. Install it with: "
            "pip install 'langsteer[datasets]'"
        ) from error
    path, _, configuration = name.partition(":")
    try:
        parts: Mapping[str, Any] = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"the data set {name!r} cannot be loaded: {error} Check its name and the connection."
        ) from error
    chosen = next(iter(parts)) if split is None and len(parts) == 1 else split
    if chosen is None or chosen not in parts:
        what = "several splits" if chosen is None else f"no split {chosen!r}"
        raise CorpusError(f"the data set {name!r} has {what}. Choose one: {', '.join(parts)}.")
    rows = Rows(f"{name}[{chosen}]", columns)
    for number, row in enumerate(parts[chosen], start=1):
        rows.add(f"{rows.name}:{number}", text_of, row)
    return rows.corpus()


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file. Only line feeds end a line, and only they are taken off.

    Raises:
        CorpusError: the file cannot be read, or lines of it are not UTF-8.
    """
    try:
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise CorpusError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    lines, problems = [], []
    for number, line in enumerate(raw.removesuffix(b"\n").split(b"\n") if raw else (), start=1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError as error:
            problems.append(
                f"{path}:{number}: byte {line[error.start]:#04x} at position {error.start + 1} is "
                "not UTF-8. Save the file as UTF-8."
            )
    refuse(path.name, problems)
    return lines


def check_header(path: Path, header: Sequence[str], columns: Columns) -> None:
    """Refuse a table without the columns that are needed."""
    needed = {"text": columns.text, "language": columns.language}
    if columns.concept != CONCEPT:
        needed["concept"] = columns.concept
    missing = [
        f"{column!r} for the {what}" for what, column in needed.items() if column not in header
    ]
    if missing:
        raise CorpusError(
            f"{path}:1: the table has no column {' and no column '.join(missing)}. It has: "
            f"{', '.join(map(repr, header)) or 'none'}. Say which of its columns to use."
        )


def table_rows(path: Path, dialect: type[csv.Dialect]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table that are not blank, each with the line on which it starts."""
    # The line ends go back on: a quoted field may hold several lines.
    lines = (line + "\n" for line in read_lines(path))
    # strict: a stray quotation mark is an error and does not swallow the lines that follow.
    reader = csv.reader(lines, dialect, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise CorpusError(
                f"{path}:{start}: the row that starts here cannot be read ({error}). Put a field "
                "that holds quotation marks into quotation marks and double those in it: "
                '"""Yes"", she said."'
            ) from error
        if row is None:
            return
        if row:
            yield start, row


def text_in_table(row: tuple[list[str], list[str]], columns: Columns) -> Text:
    """The text of a row, given as header and fields, if it has as many fields as the header."""
    header, fields = row
    if len(fields) > len(header):
        raise CorpusError(
            f"the row has more fields than the header: {shown(fields[len(header) :])} is left "
            "over. Put a field that holds the separator into quotation marks."
        )
    if len(fields) < len(header):
        missing = ", ".join(map(repr, header[len(fields) :]))
        raise CorpusError(f"the row has no field for {missing}. Add it, be it empty.")
    return text_of(dict(zip(header, fields, strict=True)), columns)


def text_on_line(line: str, columns: Columns) -> Text:
    """The text of a line of JSON, if it is an object."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(
            f"the line is not JSON ({error}): {shown(line)}. Write one object per line."
        ) from error
    if not isinstance(value, dict):
        raise CorpusError(
            f"the line is not a JSON object: {shown(line)}. Write one object per line, such as "
            '{"text": "Guten Tag", "language": "de"}.'
        )
    return text_of(value, columns)


def text_of(row: Mapping[str, object], columns: Columns) -> Text:
    """The text of a row, if it has the columns and they hold what they should."""
    text, language = (string_in(row, column) for column in (columns.text, columns.language))
    concept = row.get(columns.concept)
    if columns.concept not in row and columns.concept != CONCEPT:
        raise CorpusError(absent(row, columns.concept))
    if concept is not None and not isinstance(concept, str | int):
        raise CorpusError(
            f"{columns.concept!r} is neither a string nor a whole number: {shown(concept)}. "
            "Give the name or number that parallel texts share."
        )
    # In a table an empty field says that there is no concept.
    return Text(text, language, None if concept in (None, "") else str(concept))


def string_in(row: Mapping[str, object], column: str) -> str:
    """The string in a column of a row."""
    if column not in row:
        raise CorpusError(absent(row, column))
    value = row[column]
    if not isinstance(value, str):
        raise CorpusError(f"{column!r} is not a string: {shown(value)}. Write it as a string.")
    return value


def absent(row: Mapping[str, object], column: str) -> str:
    """What to say of a row without a column."""
    return (
        f"there is no {column!r}, only {', '.join(map(repr, row)) or 'an empty row'}. Add it, or "
        "say which column to use."
    )


def refuse(name: str, problems: Sequence[str]) -> None:
    """Nothing, if there are no problems.

    Raises:
        CorpusError: there are; the message counts all and shows the first five.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise CorpusError(problems[0])
    listed: Iterable[str] = (f"\n  {problem}" for problem in problems[:PROBLEMS_SHOWN])
    count = f"{len(problems)}{' or more' if len(problems) >= PROBLEMS_ENOUGH else ''}"
    first = f", the first {PROBLEMS_SHOWN}" if len(problems) > PROBLEMS_SHOWN else ""
    raise CorpusError(f"{name} has {count} problems{first}:{''.join(listed)}")


def shown(value: object) -> str:
    """A value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"
