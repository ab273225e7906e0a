"""Metrics that another model gives: embeddings and ratings over an OpenAI-compatible endpoint."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from langsteer.data.answers import GivenAnswer
from langsteer.errors import LangsteerError, optional_imports

TEXTS_PER_REQUEST = 64
WORKERS = 8
TRIES = 4
PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long."""
TIMEOUT = 120.0
BUSY = (429, 500, 502, 503, 504)
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
    ``Authorization`` if there is one.
    """

    url: str
    model: str
    key: str | None = None

    def embeddings(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """``[n, d]``: the embedding of each text.

        Raises:
            LangsteerError: the server cannot be reached, refuses, or answers something else.
        """
        parts = [
            list(texts[start : start + TEXTS_PER_REQUEST])
            for start in range(0, len(texts), TEXTS_PER_REQUEST)
        ]
        rows: list[Any] = []
        for answer, part in zip(self._post_all("embeddings", parts, "input"), parts, strict=True):
            try:
                data = sorted(answer["data"], key=lambda one: one["index"])
                found = [one["embedding"] for one in data]
            except (KeyError, TypeError) as error:
                raise self._strange("embeddings", answer) from error
            if len(found) != len(part):
                raise self._strange("embeddings", answer)
            rows += found
        return np.array(rows, dtype=np.float64)

    def replies(self, conversations: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
        """What the model answers to each conversation, at temperature 0. Errors as above."""
        answers = self._post_all("chat/completions", conversations, "messages", temperature=0)
        try:
            return [str(one["choices"][0]["message"]["content"]) for one in answers]
        except (KeyError, TypeError, IndexError) as error:
            raise self._strange("chat/completions", answers) from error

    def _post_all(
        self, route: str, bodies: Sequence[Any], name: str, temperature: int | None = None
    ) -> list[Any]:
        options = {} if temperature is None else {"temperature": temperature}
        http = _http()
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        with (
            http.Client(headers=headers, timeout=TIMEOUT) as client,
            ThreadPoolExecutor(WORKERS) as pool,
        ):
            return list(
                pool.map(
                    lambda body: self._post(
                        client, route, {"model": self.model, name: body, **options}
                    ),
                    bodies,
                )
            )

    def _post(self, client: Any, route: str, body: Mapping[str, Any]) -> Any:
        address = f"{self.url.rstrip('/')}/{route}"
        pause = PAUSE
        for number in range(1, TRIES + 1):
            try:
                answer = client.post(address, json=body)
            except _http().HTTPError as error:
                raise LangsteerError(
                    f"{address} cannot be reached ({error}). Check the address, and that the "
                    "server runs."
                ) from error
            if answer.status_code not in BUSY or number == TRIES:
                break
            time.sleep(pause)
            pause *= 2
        if answer.status_code != _http().codes.OK:
            raise LangsteerError(
                f"{address} answered with status {answer.status_code}: {answer.text[:200]!r}. "
                f"Check the address, the key, and that the server has the model {self.model!r}."
            )
        try:
            return answer.json()
        except ValueError as error:
            raise self._strange(route, answer.text) from error

    def _strange(self, route: str, answer: object) -> LangsteerError:
        return LangsteerError(
            f"{self.url} answered to {route} with something else than the OpenAI API: "
            f"{str(answer)[:200]!r}. Give the base address of the API, such as "
            "http://localhost:8000/v1."
        )


def similarities(answers: Sequence[GivenAnswer], endpoint: Endpoint) -> list[float | None]:
    """The cosine of the embeddings of each answer and its nearest reference, -1 to 1.

    None without references or without an answer. Errors as for :meth:`Endpoint.embeddings`.
    """
    judged = [one for one in answers if one.references and one.text.strip()]
    texts = list(dict.fromkeys(text for one in judged for text in (one.text, *one.references)))
    if not texts:
        return [None] * len(answers)
    vectors = endpoint.embeddings(texts)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
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
    gave no rating. An empty answer is 0 without asking. Errors as for :meth:`Endpoint.replies`.
    """
    asked = list(
        dict.fromkeys((one.prompt, one.text) for one in answers if one.prompt and one.text.strip())
    )
    replies = endpoint.replies([_conversation(prompt, text) for prompt, text in asked])
    found = {pair: _rating(reply) for pair, reply in zip(asked, replies, strict=True)}
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


def _http() -> Any:
    with optional_imports():
        module = import_module("httpx2")
    return module
