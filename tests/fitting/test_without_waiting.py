"""Nothing waits for a GPU while a batch is read: run on a device where waiting is an error.

Tensors of the device `meta` have shapes and no values, so whatever asks for a value on the host
raises, and so does whatever mixes devices.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.fitting.averages import Averages, Last
from langsteer.fitting.collect import token_table
from langsteer.fitting.matched import Matcher
from langsteer.fitting.reading import Reading
from langsteer.fitting.rows import Batch, Tokenizer
from langsteer.fitting.within import Within
from langsteer.statistics import Alignment, Moments
from langsteer.statistics.scatter import Scatter

CPU, GPU = torch.device("cpu"), torch.device("meta")
TEXTS = [
    Text(said, language, concept)
    for concept, said in enumerate(["eins zwei", "ja, ja", "ein Haus", "am See"])
    for language in ("de", "fr")
    for concept in [str(concept)]
]


def on_gpu(thing: Any) -> Any:
    """The same with its tensors on the device where waiting is an error."""
    if isinstance(thing, torch.Tensor):
        return thing.to(GPU)
    if isinstance(thing, dict):
        return {key: on_gpu(value) for key, value in thing.items()}
    if is_dataclass(thing) and not isinstance(thing, type):
        return replace(
            thing, **{one.name: on_gpu(getattr(thing, one.name)) for one in fields(thing)}
        )
    return thing


class Counted(TorchDispatchMode):
    """Counts the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("pooling", "most"), [("tokens", 22), ("last", 4), ("matched", 75)], ids=str
)
def test_a_layer_is_read_without_waiting_in_few_operations(pooling: Any, most: int) -> None:
    real = Model(tiny.shared("llama"), tiny.tokenizer())
    options, layers = Reading(pooling=pooling), list(range(real.depth))
    tokenized = Tokenizer.of(real, options)(TEXTS)
    batch = on_gpu(Batch.of(tokenized, range(len(TEXTS)), CPU))
    table = token_table(real, Corpus(tuple(TEXTS), "few"), options)
    matched = Matcher.of(table, layers, real.width, None).batch(TEXTS, tokenized, CPU)
    matched._compared = on_gpu(matched._compared)
    matched._places = on_gpu(matched._places)
    scatter = Scatter.empty("pooled", layers, real.width, ["de", "fr"], "tokens")
    within = Within(scatter, layers, [text.language for text in TEXTS], CPU)
    within._rows = on_gpu(within._rows)
    listeners: list[Any] = [matched, within] if pooling == "matched" else []
    pool = Last(batch) if pooling == "last" else Averages(batch, 10.0, listeners)
    hidden = torch.empty(*batch.ids.shape, real.width, dtype=torch.bfloat16, device=GPU)
    with Counted() as counted:
        for layer in layers:
            pool.read(layer, hidden)
    assert {one.device for one in pool.means.values()} == {GPU}
    for held in (matched._held, within._held) if listeners else ():
        assert len(held) == len(layers)
        assert {one.device for row in held for one in row if isinstance(one, torch.Tensor)} == {GPU}
    assert counted.operators <= most * len(layers)


def test_texts_are_folded_in_without_waiting() -> None:
    languages, concepts = ["de", "fr", "de", "fr"], ["0", "0", "1", "1"]
    weights = torch.ones(4).double()
    means = torch.zeros(4, 3, 8, device=GPU, dtype=torch.float64)
    moments = Moments.of(means, weights).merge(Moments.of(means, weights))
    aligned = Alignment.of(means, weights, languages, concepts, ["de", "fr"])
    assert {moments.mean.device, aligned.merge(aligned).moment.device} == {GPU}


def test_waiting_would_be_seen() -> None:
    hidden = torch.empty(2, 3, device=GPU)
    for wait in (lambda: float(hidden.sum()), hidden.cpu, lambda: hidden + torch.ones(2, 3)):
        with pytest.raises((NotImplementedError, RuntimeError)):
            wait()
