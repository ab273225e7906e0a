"""``outputs`` of the language confusion benchmark: tables of completions."""

from __future__ import annotations

from collections.abc import Iterator

from langsteer.data.answer_layouts import AnswerLayout
from langsteer.data.fields import Row

NEXT_QUESTION = "\nQ:"
"""Where the completion of a base model goes on with a question of its own; the benchmark cuts it.
"""


def rewrite(row: Row) -> Iterator[Row]:
    """The answer; ``source`` names the data set there, and model and task are its group."""
    group = " ".join(filter(None, (row.label("model"), row.label("task"))))
    yield Row(
        row.place,
        {
            "answer": row.string("completion").split(NEXT_QUESTION)[0],
            "target": row.string("language"),
            "dataset": row.label("source"),
            "group": group,
            "prompt": row.text("prompt"),
        },
    )


LAYOUT = AnswerLayout(frozenset({"completion", "language", "task", "source"}), rewrite)
