"""The source language is read from the user's own words, as the space's texts were read."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch

from langsteer.data.corpus import Corpus
from langsteer.data.prompts import read_prompts
from langsteer.demo.run import export
from langsteer.engines.transformers.chat import ChatOptions, render
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.source import _usual, source_languages
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import Space

from test_chat import TEMPLATES  # isort: skip

LAYER = 3


@cache
def world() -> tuple[Model, Space, list[tuple[str, str]]]:
    with tempfile.TemporaryDirectory() as folder:
        files = export(Path(folder))
        model = Model.from_pretrained(files.model, device="cpu")
        space = fit(model, Corpus.read(files.corpus).limit(60), Reading(layers=(LAYER,)))
        found: dict[str, list[str]] = {}
        for prompt in read_prompts(files.test).prompts:
            if prompt.family == "question":
                found.setdefault(prompt.language, []).append(prompt.text)
    return model, space, [(goal, text) for goal, texts in found.items() for text in texts[:2]]


def right(template: str | None) -> int:
    model, space, asked = world()
    model.tokenizer.chat_template = template
    prompts = [render(model.tokenizer, text, ChatOptions()) for _, text in asked]
    found = source_languages(model, prompts, space, LAYER)
    return sum(goal == one for (goal, _), one in zip(asked, found, strict=True))


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "own"])
def test_no_template_hides_the_language(name: str) -> None:
    assert len(world()[2]) == 24
    assert right(TEMPLATES[name]) >= right(None) >= 22


def test_massive_tokens_are_left_out() -> None:
    states = torch.ones(5, 4).double()
    states[0] *= 1000
    assert torch.equal(_usual(states), states[1:])
    assert torch.equal(_usual(states[:1]), states[:1])
    assert torch.equal(_usual(states[:2]), states[1:2])
