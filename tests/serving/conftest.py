"""A server of a tiny model with a space of three languages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch
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
    tokenizer = tiny.tokenizer().__class__.from_pretrained  # a copy, so that others keep theirs
    del tokenizer
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
