"""From a file of answers to the metrics of each, with what the user asked for beside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from langsteer.data.answers import GivenAnswer, read_answers
from langsteer.data.lines import read_lines
from langsteer.errors import LangsteerError, LanguageError
from langsteer.evaluation.endpoint import Endpoint, ratings, similarities
from langsteer.evaluation.metrics import Measured, measure
from langsteer.text.detect import default_detector, with_others
from langsteer.text.tags import display_name, normalise

KEY = "OPENAI_API_KEY"


def score_file(
    path: Path,
    *,
    languages: Sequence[str] | None = None,
    to: str | None = None,
    words: Path | None = None,
    endpoint: str | None = None,
    judge: str | None = None,
    embedding: str | None = None,
    send_key: bool = False,
) -> list[Measured]:
    """Read a file of answers and measure each.

    Args:
        path: As for :func:`langsteer.data.answers.read_answers`.
        languages: The languages that answers may be in; default: all that can be told.
        to: The target of answers that name none.
        words: A file of words, one a line, that count as errors by word.
        endpoint: Base address of an OpenAI-compatible API, its key in ``OPENAI_API_KEY``.
        judge: A model there that rates the answers.
        embedding: A model there that embeds answers and references.
        send_key: Send the key also to other machines over http, which is not encrypted.

    Raises:
        LangsteerError: The file, a language, the endpoint or the options are not as they should be.
    """
    if (judge or embedding) and endpoint is None:
        raise LangsteerError(
            "--judge and --embedding need a server: give its address with --endpoint, such as "
            "http://localhost:8000/v1."
        )
    answers = read_answers(path, to)
    if judge and not any(one.prompt for one in answers):
        raise LangsteerError(f"--judge needs the prompts, and no answer in {path} has its prompt.")
    if embedding and not any(one.references for one in answers):
        raise LangsteerError(
            f"--embedding needs references, and no answer in {path} has any: there is nothing to "
            "compare answers with."
        )
    detector = default_detector(_candidates(answers, languages))
    extra = {}
    if endpoint is not None and embedding:
        server = Endpoint(endpoint, embedding, os.environ.get(KEY), send_key)
        extra["similarity"] = similarities(answers, server)
    if endpoint is not None and judge:
        server = Endpoint(endpoint, judge, os.environ.get(KEY), send_key)
        extra["judged"] = ratings(answers, server)
    return measure(
        answers,
        detector,
        lexicon=None if words is None else frozenset(line.strip() for line in read_lines(words)),
        extra=extra,
    )


def _candidates(answers: Sequence[GivenAnswer], languages: Sequence[str] | None) -> tuple[str, ...]:
    targets = sorted({one.target for one in answers})
    if languages is None:
        return with_others(targets)
    given = tuple(normalise(one.strip()) for one in languages)
    if lacking := [one for one in targets if one not in given]:
        names = ", ".join(f"{one!r} ({display_name(one)})" for one in lacking)
        raise LanguageError(
            f"--languages leaves out {names}, the target of some answers, so those could never be "
            f"right. Add {', '.join(lacking)}."
        )
    return given
