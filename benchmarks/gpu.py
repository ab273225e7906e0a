"""What reading and steering cost on a GPU, beside the bare model, in one run.

    python benchmarks/gpu.py [--out gpu.json] [--shape 8b] [--minutes 6]

A random Llama of the shape of one with 8 billion parameters, in bfloat16, on texts of byte tokens.
Prints a line a row and writes them all as JSON. Each ratio is the median over rounds in which both
sides run by turns. Reading: 13 batches of 8,192 tokens; the bare side is the decoder alone on the
same batches, already on the device. Decoding: 32 new tokens after 32; the bare side is a model that
was never bound. `--shape tiny --device cpu` tries the script on any machine.

A source tree on PYTHONPATH is enough: the package needs no installation.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

import langsteer
from langsteer.data.corpus import Corpus, Text
from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.reading import Reading
from langsteer.fitting.rows import Batch, in_batches
from langsteer.fitting.rows import Tokenizer as Rows
from langsteer.statistics import Keep

SHAPES: dict[str, dict[str, int]] = {
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
}
LANGUAGES = ("de", "fr", "ru", "zh")
LENGTH = 128
"""Tokens of a text."""
BUDGET = 8192
BATCHES = 13
NEW = 32
GOALS = {
    "reading, all layers": 1.05,
    "reading, matched": 1.15,
    "reading, second moments at four layers": 1.30,
    "reading, first half of the layers / all": 0.52,
    "one layer": 1.02,
    "all layers": 1.05,
    "guards": 1.03,
}


@dataclass
class Row:
    """One ratio: of what, measured how often, and its goal."""

    name: str
    ratio: float
    seconds: float
    bare_seconds: float
    goal: float | None


class Clock:
    """Times what runs on a device, from when it is idle to when it is again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def idle(self) -> None:
        """Wait for the device."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def seconds(self, run: Callable[[], object]) -> float:
        """How long a run takes."""
        self.idle()
        began = time.perf_counter()
        run()
        self.idle()
        return time.perf_counter() - began

    def compared(
        self, bare: Callable[[], object], sides: dict[str, Callable[[], object]], rounds: int
    ) -> dict[str, tuple[float, float, float]]:
        """For each side: the median ratio to the bare side of its round, and both best times."""
        every = {"": bare, **sides}
        for run in every.values():
            run()
        times: dict[str, list[float]] = {name: [] for name in every}
        names = list(every)
        for turn in range(rounds):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                times[name].append(self.seconds(every[name]))
        found = {}
        for name in sides:
            ratios = [one / other for one, other in zip(times[name], times[""], strict=True)]
            found[name] = (statistics.median(ratios), min(times[name]), min(times[""]))
        return found


def main() -> None:
    """Measure everything that fits the time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--shape", choices=list(SHAPES), default="8b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=5.5)
    given = parser.parse_args()
    began, device = time.monotonic(), torch.device(given.device)
    bare = make(given.shape, device)
    model = Model(shared(bare), byte_tokenizer(), name=f"random-{given.shape}")
    rows: list[Row] = []
    clock, until = Clock(device), began + 60 * given.minutes
    for row in chain(reading(model, bare, clock), decoding(model, bare, clock, until)):
        rows.append(row)
        goal = "" if row.goal is None else f" (goal {row.goal:.2f})"
        print(f"{row.name}: {row.ratio:.3f}{goal}", flush=True)
        write(given.out, given.shape, device, rows, time.monotonic() - began)


def make(shape: str, device: torch.device) -> PreTrainedModel:
    """The random model, made where it runs."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=4096, dtype=dtype)
    kept = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(kept)


def shared(model: PreTrainedModel) -> PreTrainedModel:
    """A model of its own with the same weights, so that hooks on one do not slow the other."""
    memo = {id(weight): weight for weight in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, memo)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, and one that begins a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    made.add_special_tokens({"pad_token": "<pad>", "eos_token": "</s>"})
    return made


def texts() -> Corpus:
    """Aligned texts of LENGTH tokens each, that fill the batches."""
    count = BATCHES * BUDGET // LENGTH
    rows = []
    for number in range(count):
        language = LANGUAGES[number % len(LANGUAGES)]
        said = f"{number:06} {language} " + "abcdefgh ijk lmnop qrstuv wxyz " * 8
        rows.append(Text(said[:LENGTH], language, str(number // len(LANGUAGES))))
    return Corpus(tuple(rows), "bytes")


def reading(model: Model, bare: PreTrainedModel, clock: Clock) -> Sequence[Row]:
    """What collecting statistics costs beside the decoder alone."""
    corpus, device = texts(), model.stream.device
    tokenized = Rows.of(model, Reading())(corpus.texts)
    batches = [Batch.of(tokenized, rows, device) for rows in in_batches(tokenized, BUDGET)]
    half = list(range(model.depth // 2))
    four = tuple(sorted({round(place * (model.depth - 1) / 3) for place in range(4)}))
    matched = Reading(pooling="matched", tokens_per_batch=BUDGET)
    table = token_table(model, corpus, matched)
    pooled = Keep("pooled", layers=four, observation="tokens")
    whole = Reading(tokens_per_batch=BUDGET)

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                bare.model(batch.ids, attention_mask=batch.mask, use_cache=False)

    sides: dict[str, Callable[[], object]] = {
        "reading, all layers": lambda: collect(model, corpus, whole),
        "reading, matched": lambda: collect(model, corpus, matched, table=table),
        "reading, second moments at four layers": lambda: collect(
            model, corpus, Reading(tokens_per_batch=BUDGET, keep=pooled)
        ),
        "half": lambda: collect(model, corpus, Reading(layers=half, tokens_per_batch=BUDGET)),
    }
    found = clock.compared(forward, sides, rounds=5)
    rows = [Row(name, *found[name], GOALS[name]) for name in sides if name != "half"]
    name = "reading, first half of the layers / all"
    share = found["half"][1] / found["reading, all layers"][1]
    return [*rows, Row(name, share, found["half"][1], found["reading, all layers"][1], GOALS[name])]


def decoding(model: Model, bare: PreTrainedModel, clock: Clock, until: float) -> Iterator[Row]:
    """What steered decoding costs beside decoding with a model that was never bound.

    No batch size is begun after `until`.
    """
    for rows in (1, 32, 128):
        ids = torch.randint(3, 250, (rows, 32), device=model.stream.device)
        options = {
            "attention_mask": torch.ones_like(ids),
            "max_new_tokens": NEW,
            "min_new_tokens": NEW,
            "do_sample": False,
            "pad_token_id": 0,
        }
        given = edits_of(model, rows)

        def plain(ids: torch.Tensor = ids, options: dict[str, Any] = options) -> None:
            bare.generate(ids, **options)  # type: ignore[operator]

        def steered(
            name: str, ids: torch.Tensor = ids, options: dict[str, Any] = options,
            given: dict[str, list[Edit]] = given,
        ) -> None:  # fmt: skip
            with steering(model.stream, given[name]):
                model.hf.generate(ids, **options)  # type: ignore[operator]

        sides = {name: (lambda name=name: steered(name)) for name in given}
        for name, measured in clock.compared(plain, sides, rounds=5).items():
            yield Row(f"decoding, batch {rows}, {name}", *measured, GOALS[name])
        if time.monotonic() > until:
            return


def edits_of(model: Model, rows: int) -> dict[str, list[Edit]]:
    """An edit for each row: of four shifts, at one layer, at all, and with a guard."""
    scope, width, middle = Scope.parse("generated"), model.width, model.depth // 2
    torch.manual_seed(0)
    shifts = [Shift(torch.randn(width) / width) for _ in range(4)]
    guards = [Guard(str(one), middle, torch.randn(width, 11), torch.randn(11)) for one in range(4)]
    every = [Edit(dict.fromkeys(range(model.depth), shift), scope=scope) for shift in shifts]
    one = [Edit({middle: shift}, scope=scope) for shift in shifts]
    guarded = [
        Edit({middle: shift}, scope=scope, guard=guard)
        for shift, guard in zip(shifts, guards, strict=True)
    ]
    kinds = {"one layer": one, "all layers": every, "guards": guarded}
    return {name: [some[row % 4] for row in range(rows)] for name, some in kinds.items()}


def write(
    path: Path, shape: str, device: torch.device, rows: Sequence[Row], seconds: float
) -> None:
    """All that is measured so far, as JSON."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    path.write_text(
        json.dumps(
            {
                "device": card,
                "shape": shape,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "langsteer": langsteer.__version__,
                "seconds": round(seconds, 1),
                "peak_bytes": memory,
                "rows": [vars(row) for row in rows],
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
