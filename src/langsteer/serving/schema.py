"""The OpenAPI file: what is answered when, errors included."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

Responses = dict[int | str, dict[str, Any]]


class Refusal(BaseModel):
    """What was wrong, as the OpenAI API words it."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failed(BaseModel):
    """The body of every answer that is an error."""

    error: Refusal


def failing(*statuses: int) -> Responses:
    """Errors that a route can answer with, as FastAPI documents them."""
    said = {
        400: "Something in the request is unknown or does not fit.",
        401: "The key is missing or wrong.",
        403: "There is no admin key.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        429: "Too many requests wait.",
        503: "The server is stopping.",
    }
    return {status: {"model": Failed, "description": said[status]} for status in statuses}


ASKED = failing(400, 401, 408, 413)
"""Errors of every route that reads a body."""
WRITTEN: Responses = {
    **ASKED,
    **failing(429, 503),
    200: {
        "description": "The answer, at once or as server-sent events.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {},
        },
    },
}
"""What a route that writes an answer can say."""


def describe(app: FastAPI) -> None:
    """Leave out of the OpenAPI file what FastAPI would answer to a body that does not fit: 422."""
    own = app.openapi

    def openapi() -> dict[str, Any]:
        found = own()
        for path in found["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            found["components"]["schemas"].pop(name, None)
        return found

    app.openapi = openapi  # type: ignore[method-assign]
