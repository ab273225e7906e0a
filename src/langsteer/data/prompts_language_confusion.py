"""Prompts of the language confusion benchmark: tables with ``prompt`` and ``language``."""

from __future__ import annotations

from langsteer.data.fields import Row
from langsteer.data.problems import Problems
from langsteer.data.prompt_layouts import PromptLayout
from langsteer.data.prompts import Prompt
from langsteer.data.rows import Rows
from langsteer.text.tags import normalise

COLUMNS = frozenset({"prompt", "language"})
FALLS_INTO = "en"
"""The language that models fall into in the language confusion benchmark, and in which its
cross-lingual prompts are written.
"""


def fits(rows: Rows) -> bool:
    """Whether the rows are a table with these columns."""
    return rows.header is not None and rows.names >= COLUMNS


def read(rows: Rows, problems: Problems, source: str | None) -> list[Prompt]:
    """Prompts that want an answer in one language, while the model falls into another."""
    task = next((part for part in rows.path.parts[::-1] if part.endswith("lingual")), "")
    language = normalise(source or FALLS_INTO)
    found = []
    for row in rows:
        with problems.at(row.place):
            text, target = row.string("prompt"), normalise(row.string("language"))
            if text.strip():
                family = " ".join(filter(None, (task, _set(row, rows))))
                found.append(Prompt(text, language, family=family, targets=(target,)))
    return found


def _set(row: Row, rows: Rows) -> str:
    """The data set of a prompt: its own word for it, or the folder."""
    return row.text("source") or rows.path.parent.name


LAYOUT = PromptLayout(fits, read)
