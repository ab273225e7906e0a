"""The routes of the OpenAI API over one model: completions, each in a language of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from langsteer.errors import LangsteerError
from langsteer.serving.answers import answered
from langsteer.serving.boundary import Boundary, error_body
from langsteer.serving.requests import ChatRequest, CompletionRequest, DetectRequest
from langsteer.serving.schema import ASKED, WRITTEN, Responses, describe, failing
from langsteer.serving.server import Server
from langsteer.serving.settings import Settings
from langsteer.serving.steering import Served, UnknownNameError
from langsteer.serving.worker import QueueFullError, StoppingError
from langsteer.text.tags import display_name

PAGE = Path(__file__).parent / "page"
ILL: Responses = {503: {"description": "It is not."}}


class SpaceName(BaseModel):
    """The body of the admin requests."""

    model_config = ConfigDict(extra="forbid")
    name: str


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
    describe(app)
    if PAGE.is_dir():
        app.mount("/static", StaticFiles(directory=PAGE), name="static")
    return app


def _routes(app: FastAPI, server: Server) -> None:
    """The API itself, and what a load balancer asks."""
    served = server.served

    @app.post("/v1/chat/completions", responses=WRITTEN)
    async def chat(body: ChatRequest, request: Request) -> Response:
        return await answered(server, body, request)

    @app.post("/v1/completions", responses=WRITTEN)
    async def complete(body: CompletionRequest, request: Request) -> Response:
        return await answered(server, body, request)

    @app.get("/v1/models", responses=failing(401))
    async def models() -> dict[str, Any]:
        names = [served.name, *(f"{served.name}:{one}" for one in served.languages())]
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "langsteer"} for name in names
        ]
        return {"object": "list", "data": data}

    @app.get("/v1/languages", responses=failing(401))
    async def languages() -> dict[str, Any]:
        data = [{"tag": one, "name": display_name(one)} for one in served.languages()]
        chat = bool(getattr(served.model.tokenizer, "chat_template", None))
        return {"model": served.name, "chat": chat, "spaces": list(served.spaces), "data": data}

    @app.post("/v1/detect", responses=ASKED)
    async def detect(body: DetectRequest) -> dict[str, Any]:
        return {"language": await asyncio.to_thread(server.language_of, body.text)}

    @app.get("/health", responses=ILL)
    async def health() -> JSONResponse:
        alive = server.worker.alive
        return JSONResponse({"status": "ok" if alive else "failed"}, 200 if alive else 503)

    @app.get("/ready", responses=ILL)
    async def ready() -> JSONResponse:
        free = server.worker.alive and server.worker.waiting < server.settings.limits.queue
        return JSONResponse({"status": "ready" if free else "busy"}, 200 if free else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(server.counts.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")


def _admin_routes(app: FastAPI, server: Server) -> None:
    """Spaces by name, loaded and unloaded while the server runs."""
    served, folder = server.served, server.settings.spaces

    @app.get("/admin/spaces", responses=failing(401, 403))
    async def spaces() -> dict[str, Any]:
        return {name: list(space.languages) for name, space in served.spaces.items()}

    @app.post("/admin/spaces", responses={**ASKED, **failing(403)})
    async def load(body: SpaceName) -> dict[str, Any]:
        if folder is None:
            raise UnknownNameError("there is no folder of spaces; start with --spaces FOLDER.")
        space = await asyncio.to_thread(served.load, body.name, folder)
        return {"name": body.name, "languages": list(space.languages)}

    @app.delete("/admin/spaces/{name}", responses=failing(400, 401, 403))
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
        said = str(first["msg"]).removeprefix("Value error, ")
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
