"""The questions of CLaS-Bench: ``language_code`` and ``question``, the same in all languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from langsteer.data.problems import Problems
from langsteer.data.prompt_layouts import QUESTION_FIELDS, PromptLayout
from langsteer.data.prompts import Prompt
from langsteer.data.rows import Rows
from langsteer.text.tags import display_name, normalise

NAME = "clas-bench"
QUESTIONS = 70
"""CLaS-Bench asks so many questions in each language, and no more are read."""


def fits(rows: Rows) -> bool:
    """Whether the rows have the two fields."""
    return rows.names >= set(QUESTION_FIELDS)


def read(rows: Rows, problems: Problems, source: str | None) -> list[Prompt]:
    """The questions; each names its language, so the source is of no use."""
    del source
    language, question = QUESTION_FIELDS
    given = []
    for row in rows:
        with problems.at(row.place):
            asked = row.string(question)
            if asked.strip():
                given.append((normalise(row.string(language)), asked))
    return list(questions(given))


def questions(rows: Iterable[tuple[str, str]]) -> Iterator[Prompt]:
    """Prompts from language and question; the n-th questions of all languages are translations.

    Every prompt carries the request to answer in each other language, in the words of CLaS-Bench.
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
                family=NAME,
                concepts=(f"{NAME}:{count[language]}",),
                instructed={
                    target: f"{text} Respond in {display_name(target)}."
                    for target in languages
                    if target != language
                },
            )


LAYOUT = PromptLayout(fits, read)
