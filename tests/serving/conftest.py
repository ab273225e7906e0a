"""A server of a tiny model with a space of three languages."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import torch
import uvicorn
from fastapi.testclient import TestClient

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.serving.app import create_app
from langsteer.serving.settings import Limits, Settings
from langsteer.serving.steering import Served
from langsteer.space.space import OperatingPoint, Space

LETTERS = {"de": "abc", "fr": "xyz", "ja": "mno"}
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@cache
def model() -> Model:
    own = tiny.make("llama")
    with torch.no_grad():
        for direction, letters in zip(torch.eye(tiny.WIDTH), LETTERS.values(), strict=False):
            for letter in letters:
                own.get_input_embeddings().weight[tiny.token(letter)] += 3 * direction
    import copy

    mine = copy.deepcopy(tiny.tokenizer())
    mine.chat_template = TEMPLATE
    return Model(own, mine, name="tiny")


@cache
def space() -> Space:
    generator = torch.Generator().manual_seed(0)
    texts = [
        Text("".join(letters[i] for i in torch.randint(3, (9,), generator=generator)), tag)
        for tag, letters in LETTERS.items()
        for _ in range(6)
    ]
    fitted = fit(model(), Corpus(tuple(texts), "letters"))
    return fitted.with_operating_point(OperatingPoint((1,), 2.0, "generated"))


def served() -> Served:
    return Served(model(), "tiny", {"letters": space()})


@pytest.fixture
def client() -> Iterator[TestClient]:
    limits = Limits(tokens=64, body=20_000, queue=64, rows=8)
    with TestClient(create_app(served(), Settings(limits=limits))) as found:
        yield found


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """The address of a server in a thread of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = create_app(served(), settings)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        run = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        run.start()
        while not server.started and run.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        run.join(10)
