"""What stands between the network and the application: sizes, times and keys."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from langsteer.serving.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/", "/health", "/ready", "/metrics", "/playground")
"""Paths that need no key: what a load balancer asks, and the page."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "connect-src 'self' http://127.0.0.1:* http://localhost:*; form-action 'none'; "
    "frame-ancestors 'none'"
)


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict:  # type: ignore[type-arg]
    """An error as the OpenAI API words it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Boundary:
    """Reads the body of a request before anything else is done, and no more than is allowed."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.lower(): value for key, value in scope["headers"]}
        refusal = self._refused(scope["path"], headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        try:
            body = await self._body(headers, receive)
        except _TooLargeError:
            most = self._settings.limits.body
            said = f"the body is larger than {most} bytes, the most that is read"
            await _answer(send, 413, error_body(said, "invalid_request_error", "too_large"))
            return
        except TimeoutError:
            said = f"the body did not arrive within {self._settings.limits.seconds:g} seconds"
            await _answer(send, 408, error_body(said, "invalid_request_error", "timeout"))
            return
        if body is not None:
            await self._app(scope, _replayed(body, receive), _safe(send))

    def _refused(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, Any] | None:
        if path in OPEN or path.startswith("/static/"):
            return None
        given = headers.get(b"authorization", b"")
        token = given[7:] if given[:7].lower() == b"bearer " else b""
        if path.startswith("/admin"):
            if self._settings.admin_key is None:
                said = "there is no admin key, so that spaces cannot be loaded or unloaded"
                return 403, error_body(said, "permission_error", "no_admin_key")
            allowed = [self._settings.admin_key]
        elif not self._settings.api_keys:
            return None
        else:
            allowed = list(self._settings.api_keys)
        # All are compared, each in constant time: how long it takes tells nothing of them.
        same = [hmac.compare_digest(token, key.encode()) for key in allowed]
        if any(same):
            return None
        said = "the API key is missing or wrong; send it as Authorization: Bearer KEY"
        return 401, error_body(said, "authentication_error", "invalid_api_key")

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        most = self._settings.limits.body
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise _TooLargeError
        parts, size = [], 0
        async with asyncio.timeout(self._settings.limits.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise _TooLargeError
                if not message.get("more_body"):
                    return b"".join(parts)


class _TooLargeError(Exception):
    """The body is larger than what is allowed."""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body at once, and then what else comes: that the client is gone."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _safe(send: Send) -> Send:
    """Headers that every answer has: nothing is to be loaded from elsewhere."""

    async def safe(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"content-security-policy", CSP.encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"no-referrer"),
            ]
        await send(message)

    return safe


async def _answer(send: Send, status: int, value: Any) -> None:
    body = json.dumps(value).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
