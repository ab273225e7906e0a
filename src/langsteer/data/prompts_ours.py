"""Prompts in our own layout, of :mod:`langsteer.data.prompts`: JSON lines or a JSON list."""

from __future__ import annotations

from langsteer.data.problems import Problems
from langsteer.data.prompt_layouts import PromptLayout
from langsteer.data.prompts import Prompt, prompts_of
from langsteer.data.rows import Rows


def fits(rows: Rows) -> bool:
    """Whether the rows are JSON."""
    return rows.header is None


def read(rows: Rows, problems: Problems, source: str | None) -> list[Prompt]:
    """The prompts; each names its language, so the source is of no use."""
    del source
    return prompts_of(rows, problems)


LAYOUT = PromptLayout(fits, read)
