"""Hostile, slow and broken servers cost one message: no wrong numbers, memory or secrets."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from langsteer.data.answers import GivenAnswer
from langsteer.errors import LangsteerError
from langsteer.evaluation import endpoint_requests
from langsteer.evaluation.endpoint import Endpoint, ratings
from langsteer.evaluation.endpoint_address import read_address
from langsteer.evaluation.endpoint_requests import unpacked

KEY = "sk-0123456789"


class Server(BaseHTTPRequestHandler):
    """Says what it is told to say, or a piece every 50 ms for at most 20 s."""

    body: ClassVar[bytes] = b""
    headers_sent: ClassVar[dict[str, str]] = {}
    status: ClassVar[int] = 200
    drips: ClassVar[bool] = False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for _ in range(400 if self.drips else 0):
                self.wfile.write(b" ")
                time.sleep(0.05)
            self.wfile.write(self.body)
        except OSError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Server.body, Server.headers_sent, Server.status, Server.drips = b"", {}, 200, False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def embedded(*vectors: str) -> bytes:
    rows = [f'{{"index": {n}, "embedding": {one}}}' for n, one in enumerate(vectors)]
    return f'{{"data": [{", ".join(rows)}]}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        embedded("[1, NaN]", "[1, 2]"),
        embedded("[1, Infinity]", "[1, 2]"),
        embedded("[1, 1e999]", "[1, 2]"),
        embedded(f"[1, 1{'0' * 400}]", "[1, 2]"),
        embedded("[1]", "[1, 2]"),
        embedded("[]", "[]"),
        embedded("[0, 0]", "[1, 2]"),
        embedded("1", "2"),
        embedded("[[1]]", "[[2]]"),
        embedded("[true]", "[1]"),
        embedded('["1"]', '["2"]'),
        embedded("[1]"),
        embedded("null", "[1]"),
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
        b'{"data": [{"index": "a", "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
        b"[" * 200_000,
        b'{"data": ' + b"1" * 5000 + b"}",
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_no_embedding_is_an_error(url: str, body: bytes) -> None:
    Server.body = body
    with pytest.raises(LangsteerError, match="something else than the OpenAI API"):
        Endpoint(url, "m").embeddings(["a", "b"])


def test_embeddings_of_several_lengths_are_an_error(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langsteer.evaluation.endpoint.TEXTS_PER_REQUEST", 1)
    sizes = iter(["[1]", "[1, 2]"])

    def answer(self: Server) -> None:
        Server.body = embedded(next(sizes))
        real(self)

    real = Server.do_POST
    monkeypatch.setattr(Server, "do_POST", answer)
    monkeypatch.setattr(endpoint_requests, "WORKERS", 1)
    with pytest.raises(LangsteerError, match="of 1 and of 2 numbers"):
        Endpoint(url, "m").embeddings(["a", "b"])


@pytest.mark.parametrize("packing", ["gzip", "deflate", None])
def test_a_body_of_any_size_is_cut_off(url: str, packing: str | None) -> None:
    plain = b" " * (2 * endpoint_requests.MAX_BYTES)
    Server.body = plain
    if packing is not None:
        Server.body = gzip.compress(plain) if packing == "gzip" else zlib.compress(plain)
        Server.headers_sent = {"Content-Encoding": packing}
    with pytest.raises(LangsteerError, match="more than 16 MiB"):
        Endpoint(url, "m").embeddings(["a"])


def test_no_piece_that_is_unpacked_is_long() -> None:
    packed = gzip.compress(b" " * 2**24)
    pieces = [len(one) for one in unpacked([packed], "gzip")]
    assert sum(pieces) == 2**24
    assert max(pieces) <= 2**16


def test_packed_and_damaged_bodies(url: str) -> None:
    Server.body, Server.headers_sent = gzip.compress(embedded("[1]")), {"Content-Encoding": "gzip"}
    assert Endpoint(url, "m").embeddings(["a"]).tolist() == [[1]]
    Server.body = b"no gzip"
    with pytest.raises(LangsteerError, match="cannot be reached"):
        Endpoint(url, "m").embeddings(["a"])
    Server.headers_sent = {"Content-Encoding": "zstd"}
    with pytest.raises(LangsteerError, match="packed as"):
        Endpoint(url, "m").embeddings(["a"])


def test_a_server_that_drips_has_a_limit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_requests, "LIMIT", 0.5)
    Server.drips = True
    begun = time.monotonic()
    with pytest.raises(LangsteerError, match=r"longer than 0\.5 seconds"):
        Endpoint(url, "m").embeddings(["a"])
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("status", [200, 503])
def test_ctrl_c_ends_a_request_that_hangs_and_a_pause(url: str, status: int) -> None:
    Server.drips, Server.status = status == 200, status
    code = (
        # A job in the background is started with the signal ignored.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from langsteer.evaluation import endpoint_requests as r\n"
        "from langsteer.evaluation.endpoint import Endpoint\n"
        f"r.PAUSE = 60\nprint('begun', flush=True)\nEndpoint({url!r}, 'm').embeddings(['a'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        try:
            _, said = process.communicate(timeout=10)
        finally:
            process.kill()
    assert b"KeyboardInterrupt" in said


def test_a_judge_that_never_rates_is_an_error(url: str) -> None:
    answers = [GivenAnswer("a", "de", prompt="p")]
    for content in ("no idea", None):
        reply = {"choices": [{"message": {"content": content}}]}
        Server.body = json.dumps(reply).encode()
        with pytest.raises(LangsteerError, match="rated none of 1 answers"):
            ratings(answers, Endpoint(url, "m"))
    Server.body = b'{"choices": [{"message": {"content": {"a": 1}}}]}'
    with pytest.raises(LangsteerError, match="something else"):
        ratings(answers, Endpoint(url, "m"))


# Secrets.


def test_a_key_that_is_sent_back_is_not_shown(url: str) -> None:
    Server.status = 401
    Server.body = ("x" * 195 + f"Bearer {KEY}").encode()
    with pytest.raises(LangsteerError, match="status 401") as caught:
        Endpoint(url, "m", KEY).embeddings(["a"])
    assert "sk-" not in str(caught.value)
    assert KEY not in repr(Endpoint(url, "m", KEY))


@pytest.mark.parametrize("key", ["sk-1\nsk-2", "sk-1\r\nX: y", "sk-ü", "sk-1 2", "sk-\x00"])
def test_a_key_that_is_no_header_is_not_shown(key: str) -> None:
    with pytest.raises(LangsteerError, match="The API key holds") as caught:
        read_address("https://example.org/v1", key)
    assert "sk-" not in str(caught.value)


def test_white_space_around_a_key_is_dropped() -> None:
    assert read_address("https://example.org/v1", f"{KEY}\n").key == KEY
    assert read_address("https://example.org/v1", " \n").key is None


@pytest.mark.parametrize(
    "url",
    [
        "http://u:secret@example.org:99999/v1",
        "http://u:secret@example.org:port/v1",
        "http://u:secret@example.org:0/v1",
        "http://u:sec?ret@example.org/v1",
        "http://u:secret@exa\nmple.org/v1",
        "http://u:secret@example.org/v1?key=secret",
        "http://example.org/v1#secret",
        "ftp://u:secret@example.org/v1",
        "u:secret@example.org/v1",
        "http://[::1/v1",
        "http://",
        "",
        "example.org",
    ],
)
def test_an_address_that_is_none_is_said_without_its_password(url: str) -> None:
    with pytest.raises(LangsteerError, match="not the base address") as caught:
        read_address(url, None)
    assert "sec" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_in_the_address_is_not_shown() -> None:
    with pytest.raises(LangsteerError, match="cannot be reached") as caught:
        Endpoint("http://user:secret@127.0.0.1:1/v1", "m").embeddings(["a"])
    assert "secret" not in str(caught.value)


def test_keys_go_to_https_or_to_this_machine() -> None:
    for url in (
        "https://example.org/v1",
        "http://localhost:1/v1",
        "http://[::1]:1",
        "http://127.1.2.3",
    ):
        assert read_address(url, KEY).key == KEY
    for url, key in (("http://example.org/v1", KEY), ("http://u:p@10.0.0.1/v1", None)):
        with pytest.raises(LangsteerError, match="--send-key"):
            read_address(url, key)
        assert read_address(url, key, send_key=True).key == key
    assert read_address("http://example.org/v1", None).key is None
