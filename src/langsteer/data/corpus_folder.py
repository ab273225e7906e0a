"""A corpus in a folder: one text file per language, aligned by line, as in FLORES."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from langsteer.data.corpus import Corpus, Text
from langsteer.data.corpus_layouts import CorpusLayout, CorpusSource
from langsteer.data.files import spoken
from langsteer.data.folders import NOTES, files_in
from langsteer.data.lines import read_lines
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError, LanguageError
from langsteer.text.tags import normalise

LINE_FILES = (".txt", ".dev", ".devtest", ".test", ".train")
"""Endings of the files, one per language, in a folder."""


def read(source: CorpusSource) -> Corpus:
    """The texts of all files.

    The concept is the number of the line. A blank line is a text that is missing in that language.

    Raises:
        CorpusError: there are no such files, two are of one language, a name is not a tag, one has
            no text or cannot be read, or they have different numbers of lines.
    """
    name = source.name if source.split is None else f"{source.name}/{source.split}"
    files = language_files(chosen_folder(source.path, source.split))
    problems, lines = Problems(name), {}
    for language, file in files.items():
        try:
            lines[language] = [line.strip() for line in _text_lines(file)]
        except CorpusError as error:
            problems.add(str(error))
    problems.refuse()
    check_line_counts({file: len(lines[language]) for language, file in files.items()})
    texts = []
    for number in range(len(next(iter(lines.values())))):
        for language, file in files.items():
            if lines[language][number]:
                with problems.at(f"{spoken(file)}:{number + 1}"):
                    texts.append(Text(lines[language][number], language, str(number + 1)))
    problems.refuse()
    return Corpus(tuple(texts), name)


def _text_lines(file: Path) -> list[str]:
    lines = read_lines(file)
    if not any(line.strip() for line in lines):
        raise CorpusError(
            f"{spoken(file)} has no texts{', only blank lines' if lines else ': it is empty'}. "
            "Remove it, or write the texts into it."
        )
    return lines


def chosen_folder(folder: Path, split: str | None) -> Path:
    """The folder with the language files, be it the one given or the split in it.

    Raises:
        CorpusError: it is no folder, or has several splits or none of this name.
    """
    if not folder.is_dir():
        raise CorpusError(f"{spoken(folder)!r} is a file. Give the folder with the language files.")
    chosen = folder if split is None else folder / split
    below = split is None or Path(split).name == split
    if below and chosen.is_dir() and files_in(chosen, LINE_FILES):
        return chosen
    splits = sorted(
        one.name for one in folder.iterdir() if one.is_dir() and files_in(one, LINE_FILES)
    )
    listed = ", ".join(map(spoken, splits))
    if split is not None:
        raise CorpusError(
            f"{spoken(folder)!r} has no split {split!r}. "
            + (f"It has: {listed}." if splits else "Leave out the split: it has none.")
        )
    if splits:
        raise CorpusError(f"{spoken(folder)!r} has several parts. Choose a split: {listed}.")
    return folder


def language_files(folder: Path) -> dict[str, Path]:
    """Language → its file; the tag is the name up to the ending, after any other dot in it.

    Raises:
        CorpusError: there are none, two are of one language, or a name is not a tag.
    """
    found: dict[str, Path] = {}
    problems = Problems(spoken(folder.name))
    for file in files_in(folder, LINE_FILES):
        try:
            language = normalise(_tag(file))
        except LanguageError as error:
            problems.add(f"{spoken(file)}: the name does not say the language: {error}")
            continue
        if language in found:
            problems.add(
                f"{spoken(file)}: {spoken(found[language].name)!r} is {language!r} too. Remove one."
            )
        found[language] = file
    problems.refuse()
    if not found:
        raise CorpusError(
            f"{spoken(folder)!r} has no language files. Put one file per language into it, named "
            "by its BCP-47 tag: en.txt, pt-BR.txt."
        )
    _warn_of_others(folder, found)
    return found


def _tag(file: Path) -> str:
    return spoken(file.stem).rsplit(".", maxsplit=1)[-1]


def _warn_of_others(folder: Path, found: Mapping[str, Path]) -> None:
    """Say which files have the name of a language, but not the ending, and are left out."""
    for file in sorted(folder.iterdir()):
        known = file.suffix.lower() in LINE_FILES or file.name.startswith(".")
        if known or file.is_dir() or NOTES.match(file.name):
            continue
        try:
            language = normalise(_tag(file))
        except LanguageError:
            continue
        if language not in found:
            warnings.warn(
                f"{spoken(file)} is not read: its name says {language!r}, but does not end with "
                f"one of {', '.join(LINE_FILES)}. Rename it if it is part of the corpus.",
                stacklevel=2,
            )


def check_line_counts(counts: Mapping[Path, int]) -> None:
    """Refuse files with different numbers of lines: their lines do not correspond.

    Raises:
        CorpusError: they have; the message names those that differ from most.
    """
    usual = Counter(counts.values()).most_common(1)[0][0]
    like = next(file for file, count in counts.items() if count == usual)
    problems = Problems(spoken(like.parent.name))
    for file, count in counts.items():
        if count != usual:
            problems.add(
                f"{spoken(file)} has {count} lines and {spoken(like)} has {usual}. Lines with the "
                "same number must be translations of each other; leave a line blank where one is "
                "missing."
            )
    problems.refuse()


LAYOUT = CorpusLayout({"folder": ()}, read, splits=True)
