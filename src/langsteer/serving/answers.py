"""Answers as the OpenAI API words them: one object, or a stream of pieces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from langsteer.errors import LangsteerError
from langsteer.serving.boundary import error_body
from langsteer.serving.jobs import Job, Likely, Piece
from langsteer.serving.requests import ChatRequest, CompletionRequest
from langsteer.serving.server import Exchange, Server

POLL = 0.25
"""Seconds between looks whether the client is still there."""


async def answered(
    server: Server, body: ChatRequest | CompletionRequest, request: Request
) -> Response:
    """The answer as one object, or as a stream of pieces."""
    exchange = await server.take(body)
    if body.stream:
        return StreamingResponse(
            _stream(server, exchange),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
    return await _whole(server, exchange, request)


async def _whole(server: Server, exchange: Exchange, request: Request) -> Response:
    watch: asyncio.Future[None] = asyncio.ensure_future(_gone(request))
    reading: asyncio.Future[list[tuple[str, list[Likely], str]]] = asyncio.gather(
        *(_all_of(job) for job in exchange.jobs)
    )
    either: set[asyncio.Future[Any]] = {watch, reading}
    done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if reading not in done:
        for job in exchange.jobs:
            job.cancel()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        server.finished(exchange, "gone", _written(exchange))
        return Response(status_code=499)
    watch.cancel()
    try:
        found = reading.result()
    except LangsteerError:
        for job in exchange.jobs:
            job.cancel()
        server.finished(exchange, "refused", 0)
        raise
    server.finished(exchange, "answered", _written(exchange))
    choices = [
        _choice(server, exchange, number, text, likely, finish)
        for number, (text, likely, finish) in enumerate(found)
    ]
    kind = "chat.completion" if exchange.chat else "text_completion"
    return JSONResponse({**_head(exchange, kind), "choices": choices, "usage": _usage(exchange)})


async def _gone(request: Request) -> None:
    """Returns when the client is no longer there."""
    while not await request.is_disconnected():
        await asyncio.sleep(POLL)


async def _all_of(job: Job) -> tuple[str, list[Likely], str]:
    texts: list[str] = []
    likely: list[Likely] = []
    while True:
        piece = await job.next()
        if piece.error is not None:
            raise piece.error
        texts.append(piece.text)
        likely += piece.likely
        if piece.finish is not None:
            return "".join(texts), likely, piece.finish


async def _stream(server: Server, exchange: Exchange) -> AsyncIterator[str]:
    """Pieces of all choices as they come, as server-sent events."""
    outcome = "gone"
    kind = "chat.completion.chunk" if exchange.chat else "text_completion"
    try:
        if exchange.chat:
            opening = {"index": 0, "delta": {"role": "assistant", "content": ""}}
            yield _event({**_head(exchange, kind), "choices": [{**opening, "finish_reason": None}]})
        async for number, piece in _merged(exchange.jobs):
            if piece.error is not None:
                outcome = "refused"
                yield _event(_stream_error(piece.error))
                return
            yield _event(
                {**_head(exchange, kind), "choices": [_delta(server, exchange, number, piece)]}
            )
        options = exchange.request.stream_options
        if options is not None and options.include_usage:
            yield _event({**_head(exchange, kind), "choices": [], "usage": _usage(exchange)})
        outcome = "answered"
        yield "data: [DONE]\n\n"
    finally:
        for job in exchange.jobs:
            job.cancel()
        server.finished(exchange, outcome, _written(exchange))


async def _merged(jobs: Sequence[Job]) -> AsyncIterator[tuple[int, Piece]]:
    """The pieces of several answers, each with the number of its answer, until all have ended."""
    tasks = {asyncio.create_task(job.next()): number for number, job in enumerate(jobs)}
    try:
        while tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=tasks.__getitem__):
                number, piece = tasks.pop(task), task.result()
                yield number, piece
                if piece.finish is None and piece.error is None:
                    tasks[asyncio.create_task(jobs[number].next())] = number
    finally:
        for task in tasks:
            task.cancel()


def _stream_error(error: Exception) -> dict[str, Any]:
    if isinstance(error, LangsteerError):
        return error_body(str(error), "invalid_request_error")
    return error_body("the model failed while it wrote; see the log", "server_error")


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _head(exchange: Exchange, kind: str) -> dict[str, Any]:
    """What every object begins with; the language may only be known once the prompt is read."""
    return {
        "id": exchange.number,
        "object": kind,
        "created": exchange.created,
        "model": exchange.request.model,
        "language": exchange.wanted[0].language,
    }


def _choice(
    server: Server,
    exchange: Exchange,
    number: int,
    text: str,
    likely: list[Likely],
    finish: str,
) -> dict[str, Any]:
    found: dict[str, Any] = {"index": number, "finish_reason": finish, "logprobs": None}
    if exchange.request.top() is not None:  # type: ignore[attr-defined]
        found["logprobs"] = _probabilities(server, exchange, likely)
    if exchange.chat:
        return found | {"message": {"role": "assistant", "content": text}}
    return found | {"text": text}


def _delta(server: Server, exchange: Exchange, number: int, piece: Piece) -> dict[str, Any]:
    found: dict[str, Any] = {"index": number, "finish_reason": piece.finish, "logprobs": None}
    if piece.likely:
        found["logprobs"] = _probabilities(server, exchange, piece.likely)
    if exchange.chat:
        return found | {"delta": {"content": piece.text}}
    return found | {"text": piece.text}


def _probabilities(server: Server, exchange: Exchange, likely: Sequence[Likely]) -> dict[str, Any]:
    named = partial(_token, server.served.model.tokenizer)
    if exchange.chat:
        rows = [
            {
                **named(token, score),
                "top_logprobs": [named(other, value) for other, value in top],
            }
            for token, score, top in likely
        ]
        return {"content": rows, "refusal": None}
    tokenizer = server.served.model.tokenizer
    return {
        "tokens": [_shown(tokenizer, token) for token, _, _ in likely],
        "token_logprobs": [score for _, score, _ in likely],
        "top_logprobs": [
            {_shown(tokenizer, other): value for other, value in top} for _, _, top in likely
        ],
        "text_offset": [],
    }


def _shown(tokenizer: Any, token: int) -> str:
    """A token as text; a part of a character as the vocabulary writes it, as all look alike."""
    text = str(tokenizer.decode([token]))
    if text and "\N{REPLACEMENT CHARACTER}" not in text:
        return text
    return str(tokenizer.convert_ids_to_tokens(token) or f"<{token}>")


def _token(tokenizer: Any, token: int, score: float) -> dict[str, Any]:
    text = _shown(tokenizer, token)
    return {"token": text, "logprob": score, "bytes": list(text.encode())}


def _written(exchange: Exchange) -> int:
    return sum(len(job.row.new) for job in exchange.jobs)


def _usage(exchange: Exchange) -> dict[str, int]:
    read = sum(len(job.row.prompt.ids) for job in exchange.jobs)
    written = _written(exchange)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }
