"""Run a server until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from langsteer.errors import LangsteerError
from langsteer.serving.app import create_app
from langsteer.serving.settings import Settings
from langsteer.serving.steering import Served

GRACE = 60
"""Seconds that answers have to end after SIGTERM."""
IDLE = 5
"""Seconds that a connection without a request stays open."""
CONNECTIONS = 1024
"""The most connections at a time: beyond them the answer is 503."""


class _Server(uvicorn.Server):
    """Ends with status 0 after SIGTERM, as a service should; uvicorn ends with the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve_app(
    served: Served,
    settings: Settings,
    host: str,
    port: int,
    listening: Callable[[int], None],
) -> None:
    """Serve until SIGINT or SIGTERM; streams that are open then end first.

    Args:
        served: the model with its spaces.
        settings: how.
        host: the address to listen on.
        port: the port; any that is free if 0.
        listening: told the port before the first request is taken.

    Raises:
        LangsteerError: the address cannot be listened on.
        ModelError: requests cannot share the model's batches.
    """
    app = create_app(served, settings)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise LangsteerError(
                f"{host}:{port} cannot be listened on: {error.strerror}. Give another --port."
            ) from error
        _log()
        listening(listener.getsockname()[1])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=2**16,
        )
        asyncio.run(_Server(config).serve(sockets=[listener]))


def _log() -> None:
    """One JSON object a line for each request, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("langsteer.serving")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
