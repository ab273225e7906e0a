"""Metrics that another model gives: embeddings and ratings over an OpenAI-compatible endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from langsteer.data.answers import GivenAnswer
from langsteer.errors import LangsteerError
from langsteer.evaluation.endpoint_address import read_address
from langsteer.evaluation.endpoint_requests import Requests

TEXTS_PER_REQUEST = 64
HIGHEST = 2
RATING = re.compile(r"rating\W*([0-2])\b", re.IGNORECASE)
INSTRUCTIONS = """\
You grade what a language model answered to a prompt. Look at the content alone: prompt and answer \
may be in different languages, and in which language the answer is does not matter.

2: the answer fits the prompt, is sensible and readable.
1: it has to do with the prompt, but is partly beside the point, unfinished or hard to read.
0: it has nothing to do with the prompt, or is no sensible text.

Give your reason in one sentence, then a last line that reads "Rating: 0", "Rating: 1" or \
"Rating: 2"."""


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks the OpenAI API, and the model to ask for.

    `url` is the base, such as ``http://localhost:8000/v1``; `key` goes into the header
    ``Authorization`` if there is one, but only over https or to this machine, unless `send_key`.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    send_key: bool = False

    def embeddings(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """``[n, d]``: the embedding of each text, finite and not zero.

        Raises:
            LangsteerError: the address or the key cannot be used; the server cannot be reached,
                refuses, is too slow, or answers something else.
        """
        parts = [
            list(texts[start : start + TEXTS_PER_REQUEST])
            for start in range(0, len(texts), TEXTS_PER_REQUEST)
        ]
        found = self._post_all(
            "embeddings",
            [{"input": part} for part in parts],
            lambda answer, number: _vectors(answer, len(parts[number])),
        )
        sizes = sorted({vectors.shape[1] for vectors in found})
        if len(sizes) > 1:
            raise LangsteerError(
                f"The model {self.model!r} gave embeddings of {sizes[0]} and of {sizes[-1]} "
                "numbers, which cannot be compared. Use a model that embeds texts."
            )
        return np.concatenate(found) if found else np.zeros((0, 0))

    def replies(self, conversations: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
        """What the model answers to each conversation, at temperature 0. Errors as above."""
        return self._post_all(
            "chat/completions",
            [{"messages": list(one), "temperature": 0} for one in conversations],
            lambda answer, _: _content(answer),
        )

    def _post_all(self, route: str, bodies: Sequence[Mapping[str, Any]], read: Any) -> list[Any]:
        address = read_address(self.url, self.key, send_key=self.send_key)
        requests = Requests(address, route, self.model, read)
        return requests.post_all([{"model": self.model, **body} for body in bodies])


def _vectors(answer: Any, wanted: int) -> npt.NDArray[np.float64]:
    """``[wanted, d]`` from an answer of the API; ValueError and others if it is none."""
    data = sorted(answer["data"], key=lambda one: one["index"])
    if [one["index"] for one in data] != list(range(wanted)):
        raise ValueError("not one embedding for each text")
    rows = [one["embedding"] for one in data]
    if not all(isinstance(row, list) and row for row in rows):
        raise TypeError("an embedding is no list of numbers")
    if not all(type(number) in (int, float) for row in rows for number in row):
        raise TypeError("an embedding holds something else than numbers")
    found = np.array(rows, dtype=np.float64)  # ValueError if ragged
    if not np.isfinite(found).all() or not found.any(axis=1).all():
        raise ValueError("an embedding is not finite, or zero")
    return found


def _content(answer: Any) -> str:
    """The text of a reply; empty where the model only thought."""
    content = answer["choices"][0]["message"]["content"]
    if content is not None and not isinstance(content, str):
        raise TypeError("a reply is no text")
    return content or ""


def similarities(answers: Sequence[GivenAnswer], endpoint: Endpoint) -> list[float | None]:
    """The cosine of the embeddings of each answer and its nearest reference, -1 to 1.

    None without references or without an answer. Errors as for :meth:`Endpoint.embeddings`.
    """
    judged = [one for one in answers if one.references and one.text.strip()]
    texts = list(dict.fromkeys(text for one in judged for text in (one.text, *one.references)))
    if not texts:
        return [None] * len(answers)
    vectors = endpoint.embeddings(texts)
    # Divided by the greatest first, no square is too large or too small for a number.
    vectors = vectors / np.abs(vectors).max(axis=1, keepdims=True)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    of = dict(zip(texts, units, strict=True))
    return [
        max(float(of[one.text] @ of[text]) for text in one.references)
        if one.references and one.text.strip()
        else None
        for one in answers
    ]


def ratings(answers: Sequence[GivenAnswer], endpoint: Endpoint) -> list[float | None]:
    """How well each answer fits its prompt in the eyes of a judge: 0, 0.5 or 1.

    The three grades of CLaS-Bench (arXiv 2601.08331), with instructions of our own that do not name
    the languages, and at temperature 0. None for an answer without a prompt, or where the judge
    gave no rating. An empty answer is 0 without asking.

    Raises:
        LangsteerError: as for :meth:`Endpoint.replies`, or the judge rated none of the answers.
    """
    asked = list(
        dict.fromkeys((one.prompt, one.text) for one in answers if one.prompt and one.text.strip())
    )
    replies = endpoint.replies([_conversation(prompt, text) for prompt, text in asked])
    found = {pair: _rating(reply) for pair, reply in zip(asked, replies, strict=True)}
    if asked and all(rating is None for rating in found.values()):
        raise LangsteerError(
            f"The judge {endpoint.model!r} rated none of {len(asked):,} answers: no reply ends "
            "with a rating from 0 to 2. Use another model."
        )
    return [_found(one, found) for one in answers]


def _found(one: GivenAnswer, found: Mapping[tuple[str, str], float | None]) -> float | None:
    if not one.prompt:
        return None
    return found[one.prompt, one.text] if one.text.strip() else 0.0


def _conversation(prompt: str, text: str) -> list[dict[str, str]]:
    asked = f"Prompt:\n{prompt}\n\nAnswer:\n{text}"
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": asked}]


def _rating(reply: str) -> float | None:
    """The last rating in a reply; the reason before it may name others."""
    found = RATING.findall(reply)
    return int(found[-1]) / HIGHEST if found else None
