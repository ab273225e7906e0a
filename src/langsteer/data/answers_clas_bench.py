"""Results of CLaS-Bench: one JSON object for a pair of languages, with a list of ``results``."""

from __future__ import annotations

from collections.abc import Iterator

from langsteer.data.answer_layouts import AnswerLayout
from langsteer.data.fields import Row
from langsteer.data.problems import shown
from langsteer.errors import CorpusError


def rewrite(row: Row) -> Iterator[Row]:
    """The answers, each with the languages of the whole."""
    results = row.values["results"]
    if not isinstance(results, list):
        raise CorpusError(
            f"'results' is {shown(results)}, so this is no result of CLaS-Bench. Give a list of "
            'objects with "input" and "output".'
        )
    for number, one in enumerate(results, start=1):
        if not isinstance(one, dict):
            raise CorpusError(
                f'result {number} is {shown(one)}. Give an object with "input" and "output".'
            )
        yield Row(
            f"{row.place}, result {number}",
            {
                "answer": one.get("output"),
                "target": row.values.get("target_language"),
                "source": row.values.get("source_language"),
                "prompt": one.get("input"),
            },
        )


LAYOUT = AnswerLayout(frozenset({"results"}), rewrite)
