"""Time of steered decoding as a multiple of unsteered decoding, at batch 1 and 32.

Two models: the embedded one, whose steps take a few milliseconds, so that each call in Python
shows; and a random one of more usual width. Three ways of steering: one edit for all rows; an edit
for each row (three shifts and unsteered rows in turn); the same with a guard for each shift. The
unsteered side is a model that was never bound, so the resident hooks count as well. All run by
turns. Given are the median over the turns of the ratio to the unsteered run of the same turn, and
the ratio of the shortest runs. The share of the guard is that of the shortest runs with and without
it. One thread.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from langsteer.demo.run import MODEL
from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream

PROMPT, OTHERS, SHIFTS = 16, 11, 3
BARE, SINGLE, TABLES, GUARD = "unsteered", "single edit", "per-row edits", "with guards"
TURNS = {("embedded", 1): 60, ("embedded", 32): 30, ("wide", 1): 14, ("wide", 32): 10}
NEW = {("embedded", 1): 24, ("embedded", 32): 24, ("wide", 1): 24, ("wide", 32): 10}


def wide() -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=8,
        num_attention_heads=16,
        max_position_embeddings=512,
    )
    return LlamaForCausalLM(config).eval()


def embedded() -> PreTrainedModel:
    return Model.from_pretrained(str(MODEL)).stream.model


MODELS: Mapping[str, Callable[[], PreTrainedModel]] = {"embedded": embedded, "wide": wide}


def edits(layer: int, width: int) -> dict[str, list[Edit]]:
    """One shift for each of a few languages, without guards and with them."""
    scope = Scope.parse("generated")
    shifts = [Shift(torch.randn(width) * (one + 1) / width) for one in range(SHIFTS)]
    guards = [
        Guard(str(one), layer, torch.randn(width, OTHERS), torch.randn(OTHERS))
        for one in range(SHIFTS)
    ]
    return {
        TABLES: [Edit({layer: shift}, scope=scope) for shift in shifts],
        GUARD: [
            Edit({layer: shift}, scope=scope, guard=guard)
            for shift, guard in zip(shifts, guards, strict=True)
        ],
    }


def rows_of(some: list[Edit], rows: int) -> list[Edit | None]:
    return [None if row % 4 == SHIFTS else some[row % 4] for row in range(rows)]


def measure(name: str, make: Callable[[], PreTrainedModel], rows: int) -> None:
    bare = make()
    if name == "wide":
        bound = copy.deepcopy(bare)
    else:
        bare = type(bare).from_pretrained(MODEL, dtype=bare.dtype).eval()
        bound = make()
    stream = ResidualStream(bound)
    ids = torch.randint(5, bare.config.vocab_size, (rows, PROMPT))
    new = NEW[name, rows]
    options = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": new,
        "min_new_tokens": new,
        "do_sample": False,
        "pad_token_id": 0,
    }
    kinds = edits(stream.depth // 2, stream.width)
    given = {
        SINGLE: kinds[TABLES][0],
        TABLES: rows_of(kinds[TABLES], rows),
        GUARD: rows_of(kinds[GUARD], rows),
    }

    def run(way: str) -> float:
        began = time.perf_counter()
        if way == BARE:
            generate(bare, ids, options)
        else:
            with steering(stream, given[way]):
                generate(bound, ids, options)
        return time.perf_counter() - began

    ways = [BARE, SINGLE, TABLES, GUARD]
    for way in ways:
        run(way)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS[name, rows]):
        for way in ways[turn % 4 :] + ways[: turn % 4]:
            times[way].append(run(way))
    report(name, rows, new, times)


def generate(model: PreTrainedModel, ids: Tensor, options: Mapping[str, object]) -> None:
    model.generate(ids, **options)  # type: ignore[operator]


def report(name: str, rows: int, new: int, times: Mapping[str, list[float]]) -> None:
    shortest = {way: min(found) for way, found in times.items()}
    print(f"{name}, batch {rows}: {1000 * shortest[BARE] / new:.2f} ms a token, unsteered")
    for way in (SINGLE, TABLES, GUARD):
        pairs = zip(times[way], times[BARE], strict=True)
        median = statistics.median(one / other for one, other in pairs)
        print(f"  {way:14s} median {median:.3f}, shortest {shortest[way] / shortest[BARE]:.3f}")
    share = (shortest[GUARD] - shortest[TABLES]) / shortest[BARE]
    print(f"  guards alone   {100 * share:.1f} %", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--rows", nargs="*", type=int, choices=[1, 32], default=[1, 32])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for model in chosen.models:
        for count in chosen.rows:
            measure(model, MODELS[model], count)
