"""The OpenAI API over one model: chat and text completions, each in a language of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from langsteer.engines.transformers.chat import PLAIN, ChatOptions, Rendered, render
from langsteer.engines.transformers.continuous import can_decode
from langsteer.engines.transformers.decoding import Continuation
from langsteer.engines.transformers.encoding import check_prompt
from langsteer.engines.transformers.generation import SEEDS, end_tokens, own_stops
from langsteer.engines.transformers.sampling import Sampling, row_seeds
from langsteer.errors import LangsteerError, ModelError, SteeringError
from langsteer.serving.boundary import Boundary, error_body
from langsteer.serving.jobs import Job, Likely, Piece
from langsteer.serving.metrics import Counts
from langsteer.serving.requests import (
    ChatRequest,
    CompletionRequest,
    DetectRequest,
    SteeringFields,
)
from langsteer.serving.settings import Settings
from langsteer.serving.steering import Served, UnknownNameError, Wanted, wanted
from langsteer.serving.wording import Wording
from langsteer.serving.worker import QueueFullError, StoppingError, Worker
from langsteer.text.tags import display_name

LOG = logging.getLogger("langsteer.serving")
PAGE = Path(__file__).parent / "page"
DEFAULT_TOKENS = 512
POLL = 0.25
"""Seconds between looks whether the client is still there."""


class SpaceName(BaseModel):
    """The body of the admin requests."""

    model_config = ConfigDict(extra="forbid")
    name: str


@dataclass
class Exchange:
    """A request on its way: its jobs, what they are to say, and when it came."""

    request: SteeringFields
    jobs: list[Job]
    wanted: list[Wanted]
    chat: bool
    number: str
    began: float

    @property
    def language(self) -> str:
        """The language that was asked for, for counts and logs."""
        return self.wanted[0].language or "none"


class Server:
    """What the routes of one application share."""

    def __init__(self, served: Served, settings: Settings) -> None:
        if not can_decode(served.model):
            raise ModelError(
                f"{served.name} keeps more than keys and values for each token, so that requests "
                "cannot share its batches; it cannot be served"
            )
        self.served, self.settings = served, settings
        self.worker = Worker(served.model, end_tokens(served.model), settings.limits)
        self.counts = Counts(self.worker)
        self._detector: Any = None

    def prepare(self, request: ChatRequest | CompletionRequest) -> Exchange:
        """The jobs of a request, which wait for their turn.

        Raises:
            LangsteerError: something in it is unknown or does not fit.
        """
        chat = isinstance(request, ChatRequest)
        prompts = self._prompts(request)
        keep = self.settings.keep_language and request.keep_language is not False
        spoken = self._spoken(request) if chat and (keep or request.keep_language) else None
        wants = [
            wanted(self.served, request, prompt, spoken, keep=keep and chat) for prompt in prompts
        ]
        stops = request.stops() + own_stops(self.served.model)
        jobs = [
            Job(row, Wording(self.served.model.tokenizer, stops), want.resolve)
            for row, want in zip(self._rows(request, prompts), wants, strict=True)
        ]
        self.worker.submit(jobs)
        number = f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}"
        return Exchange(request, jobs, wants, chat, number, time.monotonic())

    def _prompts(self, request: ChatRequest | CompletionRequest) -> list[Rendered]:
        tokenizer = self.served.model.tokenizer
        if isinstance(request, ChatRequest):
            messages = [message.plain() for message in request.messages]
            kwargs = dict(request.chat_template_kwargs or {})
            options = ChatOptions(template=kwargs, enabled=True)
            options.applies(tokenizer)
            found = [render(tokenizer, messages, options)]
        else:
            found = [
                render(tokenizer, one, PLAIN)
                if isinstance(one, str)
                else Rendered(tuple(one), tuple(range(len(one))), "")
                for one in request.prompts()
            ]
        model = self.served.model
        for one in found:
            check_prompt(one.ids, one.text, model.stream.context, model.vocabulary)
        return found

    def _rows(
        self, request: ChatRequest | CompletionRequest, prompts: Sequence[Rendered]
    ) -> list[Continuation]:
        limits, context = self.settings.limits, self.served.model.stream.context
        longest = request.longest() or DEFAULT_TOKENS
        if longest > limits.tokens:
            raise SteeringError(
                f"max_tokens is {longest}, and the most that is written here is {limits.tokens}"
            )
        temperature = 1.0 if request.temperature is None else request.temperature
        seed = uuid.uuid4().int % SEEDS if request.seed is None else request.seed % SEEDS
        rows = []
        for prompt, own in zip(prompts, row_seeds(seed, [one.ids for one in prompts]), strict=True):
            room = longest if context is None else min(longest, context - len(prompt.ids))
            draw = Sampling(temperature, request.top_p or 1.0, [own]) if temperature else None
            # A stop string is found in the text that is shown, not here: it is not part of it.
            rows.append(Continuation(prompt, None, room, draw, top=request.top()))
        return rows

    def _spoken(self, request: ChatRequest | CompletionRequest) -> str | None:
        """The language of the user's last message, by its text."""
        if not isinstance(request, ChatRequest):
            return None
        said = [one.plain()["content"] for one in request.messages if one.role == "user"]
        if not said or not self.served.spaces:
            return None
        return self.language_of(said[-1])

    def language_of(self, text: str) -> str | None:
        """The language that a text is in, of those of the spaces; None if that is not sure."""
        languages = self.served.languages()
        if not languages:
            return None
        if self._detector is None or self._detector[0] != languages:
            from langsteer.text.detect import default_detector  # noqa: PLC0415 - reads its tables

            self._detector = languages, default_detector(languages)
        found: str | None = self._detector[1].detect(text).language
        return found

    def finished(self, exchange: Exchange, outcome: str, written: int) -> None:
        """Count and log a request."""
        counts, seconds = self.counts, time.monotonic() - exchange.began
        counts.requests.labels(exchange.language, outcome).inc()
        counts.seconds.observe(seconds)
        read = sum(len(job.row.prompt.ids) for job in exchange.jobs)
        counts.tokens.labels("read").inc(read)
        counts.tokens.labels("written").inc(written)
        acted = selected = 0
        for want in exchange.wanted:
            if want.guard is not None:
                acted, selected = acted + want.guard.acted, selected + want.guard.selected
        counts.guard.labels("edited").inc(acted)
        counts.guard.labels("selected").inc(selected)
        said: dict[str, Any] = {
            "request": exchange.number,
            "language": exchange.language,
            "outcome": outcome,
            "read": read,
            "written": written,
            "seconds": round(seconds, 3),
        }
        if self.settings.log_prompts:
            said["prompts"] = [job.row.prompt.text for job in exchange.jobs]
        LOG.info("%s", json.dumps(said, ensure_ascii=False))


def create_app(served: Served, settings: Settings = Settings()) -> FastAPI:
    """The application: a server of one model with its spaces.

    Raises:
        ModelError: requests cannot share the model's batches.
    """
    server = Server(served, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        server.worker.start()
        yield
        await asyncio.to_thread(server.worker.stop)

    app = FastAPI(title="langsteer", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.server = server
    app.add_middleware(Boundary, settings=settings)
    _errors(app)
    _routes(app, server)
    _admin_routes(app, server)
    if PAGE.is_dir():
        app.mount("/static", StaticFiles(directory=PAGE), name="static")
    return app


def _routes(app: FastAPI, server: Server) -> None:
    """The API itself, and what a load balancer asks."""
    served = server.served

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        return await _answered(server, body, request)

    @app.post("/v1/completions")
    async def complete(body: CompletionRequest, request: Request) -> Response:
        return await _answered(server, body, request)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        names = [served.name, *(f"{served.name}:{one}" for one in served.languages())]
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "langsteer"} for name in names
        ]
        return {"object": "list", "data": data}

    @app.get("/v1/languages")
    async def languages() -> dict[str, Any]:
        data = [{"tag": one, "name": display_name(one)} for one in served.languages()]
        chat = bool(getattr(served.model.tokenizer, "chat_template", None))
        return {"model": served.name, "chat": chat, "spaces": list(served.spaces), "data": data}

    @app.post("/v1/detect")
    async def detect(body: DetectRequest) -> dict[str, Any]:
        return {"language": await asyncio.to_thread(server.language_of, body.text)}

    @app.get("/health")
    async def health() -> JSONResponse:
        alive = server.worker.alive
        return JSONResponse({"status": "ok" if alive else "failed"}, 200 if alive else 503)

    @app.get("/ready")
    async def ready() -> JSONResponse:
        free = server.worker.alive and server.worker.waiting < server.settings.limits.queue
        return JSONResponse({"status": "ready" if free else "busy"}, 200 if free else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(server.counts.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")


def _admin_routes(app: FastAPI, server: Server) -> None:
    """Spaces by name, loaded and unloaded while the server runs."""
    served, folder = server.served, server.settings.spaces

    @app.get("/admin/spaces")
    async def spaces() -> dict[str, Any]:
        return {name: list(space.languages) for name, space in served.spaces.items()}

    @app.post("/admin/spaces")
    async def load(body: SpaceName) -> dict[str, Any]:
        if folder is None:
            raise UnknownNameError("there is no folder of spaces; start with --spaces FOLDER.")
        space = await asyncio.to_thread(served.load, body.name, folder)
        return {"name": body.name, "languages": list(space.languages)}

    @app.delete("/admin/spaces/{name}")
    async def unload(name: str) -> dict[str, Any]:
        served.unload(name)
        return {"name": name, "unloaded": True}


def _errors(app: FastAPI) -> None:
    """Every error in the form of the OpenAI API."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = [str(one) for one in first["loc"] if one != "body"]
        name = ".".join(place)
        said = str(first["msg"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted({*ChatRequest.model_fields, *CompletionRequest.model_fields}))
            said = f"there is no field {name[:60]!r}. The fields are: {known}"
        elif name:
            said = f"{name[:60]}: {said}"
        return JSONResponse(error_body(said, "invalid_request_error", param=name[:60] or None), 400)

    @app.exception_handler(LangsteerError)
    async def refused(_: Request, error: LangsteerError) -> JSONResponse:
        if isinstance(error, QueueFullError):
            body = error_body(str(error), "rate_limit_error", "queue_full")
            return JSONResponse(body, 429, {"Retry-After": "1"})
        if isinstance(error, StoppingError):
            return JSONResponse(error_body(str(error), "server_error", "stopping"), 503)
        return JSONResponse(error_body(str(error), "invalid_request_error"), 400)

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(
            error_body(str(error.detail), "invalid_request_error"), error.status_code, error.headers
        )


async def _answered(
    server: Server, body: ChatRequest | CompletionRequest, request: Request
) -> Response:
    """The answer as one object, or as a stream of pieces."""
    exchange = server.prepare(body)
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
    head = _head(exchange, kind)
    try:
        if exchange.chat:
            opening = {"index": 0, "delta": {"role": "assistant", "content": ""}}
            yield _event({**head, "choices": [{**opening, "finish_reason": None}]})
        async for number, piece in _merged(exchange.jobs):
            if piece.error is not None:
                outcome = "refused"
                yield _event(_stream_error(piece.error))
                return
            yield _event({**head, "choices": [_delta(server, exchange, number, piece)]})
        options = exchange.request.stream_options
        if options is not None and options.include_usage:
            yield _event({**head, "choices": [], "usage": _usage(exchange)})
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
    return {
        "id": exchange.number,
        "object": kind,
        "created": int(time.time()),
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
