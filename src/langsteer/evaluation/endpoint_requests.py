"""Requests to a server that may be slow, broken or hostile: bounded in bytes and in time.

All waiting is done where Ctrl-C ends it: the requests run in threads that the process does not wait
for, and the caller looks at the clock.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from langsteer.errors import LangsteerError, optional_imports
from langsteer.evaluation.endpoint_address import EXAMPLE, Address

WORKERS = 8
TRIES = 4
PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long."""
LIMIT = 120.0
"""Seconds that one try of a request may take in all."""
MAX_BYTES = 16 * 2**20
"""The longest body, unpacked: 64 embeddings of 10,000 numbers."""
SHOWN = 200
BUSY = (429, 500, 502, 503, 504)
OK = 200
TICK = 0.1
PACKED = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


@dataclass
class Requests:
    """Many requests to one route of a server.

    `read` makes of the JSON of an answer and the number of its request what is kept; its
    `KeyError`, `IndexError`, `TypeError`, `ValueError` and `OverflowError` mean that the answer is
    not that of the API.
    """

    address: Address
    route: str
    model: str
    read: Callable[[Any, int], Any]
    _stop: threading.Event = field(default_factory=threading.Event)
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _since: dict[int, float] = field(default_factory=dict)

    def post_all(self, bodies: Sequence[Any]) -> list[Any]:
        """What `read` makes of the answer to each body, in their order.

        Raises:
            LangsteerError: the server cannot be reached, refuses, is too slow, or answers
                something else than the API, or too much.
        """
        waiting: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        for one in enumerate(bodies):
            waiting.put(one)
        done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        client = self._client()
        for _ in range(min(WORKERS, len(bodies))):
            threading.Thread(target=self._work, args=(client, waiting, done), daemon=True).start()
        found: dict[int, Any] = {}
        try:
            while len(found) < len(bodies):
                with suppress(queue.Empty):
                    number, value = done.get(timeout=TICK)
                    if isinstance(value, BaseException):
                        raise value
                    found[number] = value
                self._check_clock()
        finally:
            self._stop.set()
        client.close()
        return [found[number] for number in range(len(bodies))]

    def _client(self) -> Any:
        key = self.address.key
        headers = {"Accept-Encoding": "gzip, identity"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        # A proxy of the environment would get the key of a server on this machine in the open.
        return http().Client(headers=headers, timeout=LIMIT, trust_env=not self.address.loopback)

    def _work(
        self,
        client: Any,
        waiting: queue.SimpleQueue[tuple[int, Any]],
        done: queue.SimpleQueue[tuple[int, Any]],
    ) -> None:
        while not self._stop.is_set():
            try:
                number, body = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, self._post(client, number, body)))
            except Exception as error:
                done.put((number, error))
                return

    def _check_clock(self) -> None:
        begun = min(self._since.copy().values(), default=None)
        if begun is not None and time.monotonic() - begun > LIMIT:
            raise LangsteerError(
                f"{self._shown} took longer than {LIMIT:g} seconds for one answer. Check that the "
                "server is not overloaded."
            )

    @property
    def _shown(self) -> str:
        return f"{self.address.shown}/{self.route}"

    def _post(self, client: Any, number: int, body: Any) -> Any:
        pause = PAUSE
        for turn in range(1, TRIES + 1):
            self._since[number] = time.monotonic()
            try:
                status, data = self._try(client, body)
            except (http().HTTPError, http().InvalidURL, zlib.error, ValueError, OSError) as error:
                raise LangsteerError(
                    f"{self._shown} cannot be reached ({self._quoted(str(error))}). Check the "
                    "address, and that the server runs."
                ) from None
            finally:
                self._since.pop(number, None)
            if status not in BUSY or turn == TRIES or self._stop.wait(pause):
                break
            pause *= 2
        if status != OK:
            raise LangsteerError(
                f"{self._shown} answered with status {status}: {self._quoted(_text(data))}. Check "
                f"the address, the key, and that the server has the model {self.model!r}."
            )
        return self._value(data, number)

    def _try(self, client: Any, body: Any) -> tuple[int, bytes]:
        address = f"{self.address.url}/{self.route}"
        with client.stream("POST", address, json=body) as answer:
            packing = answer.headers.get("Content-Encoding", "identity").strip().lower()
            data = bytearray()
            for part in unpacked(answer.iter_raw(), packing):
                data += part
                if self._stop.is_set():
                    break
                if len(data) > MAX_BYTES:
                    raise LangsteerError(
                        f"{self._shown} answered with more than {MAX_BYTES // 2**20} MiB, which "
                        "no answer of the OpenAI API needs. Check the address."
                    )
            return answer.status_code, bytes(data)

    def _value(self, data: bytes, number: int) -> Any:
        # One at a time: what JSON becomes in memory is many times as long.
        with self._reading:
            try:
                return self.read(json.loads(data), number)
            except (KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError):
                raise LangsteerError(
                    f"{self._shown} answered with something else than the OpenAI API: "
                    f"{self._quoted(_text(data))}. Give the base address of the API, such as "
                    f"{EXAMPLE}."
                ) from None

    def _quoted(self, text: str) -> str:
        """The beginning of what a server sent, without secrets, on one line."""
        return repr(self.address.redacted(text)[:SHOWN])


def unpacked(parts: Iterable[bytes], packing: str) -> Iterable[bytes]:
    """The parts of a body without its compression, none longer than 64 KiB.

    Raises:
        ValueError: the compression is not one that was asked for.
        zlib.error: the body is damaged.
    """
    if packing in ("", "identity"):
        yield from parts
        return
    if packing not in PACKED:
        raise ValueError(f"the answer is packed as {packing!r}, which was not asked for")
    unpacker = zlib.decompressobj(PACKED[packing])
    for part in parts:
        left = part
        while left and not unpacker.eof:
            yield unpacker.decompress(left, 2**16)
            left = unpacker.unconsumed_tail
    yield unpacker.flush()


def _text(data: bytes) -> str:
    return data[: 2**16].decode("utf-8", "backslashreplace")


def http() -> Any:
    """The module httpx2, loaded when it is needed.

    Raises:
        MissingExtraError: it is not installed.
    """
    with optional_imports():
        module = import_module("httpx2")
    return module
