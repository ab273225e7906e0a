"""Answers of very different lengths: rows that leave and enter a batch beside fixed batches.

The same prompts go through the model's own loop, in batches that run as long as their longest row,
and through a batch that is kept full. Lengths are fixed by the room of each prompt, drawn with the
mean `--mean`, so both write the same tokens. Every row has an edit of one of three languages or
none. Given are seconds of both by turns, the median ratio, and how many texts are equal.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

import torch

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers import generation
from langsteer.engines.transformers.chat import render
from langsteer.engines.transformers.continuous import can_decode, write_all
from langsteer.engines.transformers.decoding import Continuation
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model

WORDS = ("river", "bread", "house", "winter", "doctor", "silver", "garden", "letter", "window")


def rows_of(model: Model, count: int, mean: float, most: int) -> list[Continuation]:
    """Prompts with rooms between 1 and `most`, and edits of three languages or none."""
    torch.manual_seed(0)
    dice = random.Random(0)
    scope = Scope.parse("generated")
    layer = model.depth // 2
    shifts = [Shift(torch.randn(model.width) * 0.05) for _ in range(3)]
    edits = [*(Edit({layer: shift}, scope=scope) for shift in shifts), None]
    rows = []
    for number in range(count):
        words = " ".join(dice.choices(WORDS, k=dice.randint(4, 24)))
        room = min(most, 1 + int(dice.expovariate(1 / mean)))
        rows.append(Continuation(render(model.tokenizer, words), edits[number % 4], room))
    return rows


def fixed(model: Model, rows: list[Continuation], budget: int, most: int) -> None:
    """The model's own loop: each batch takes as many steps as its longest row has room for."""
    batch: list[Continuation] = []

    def run() -> None:
        whole = max(row.room for row in batch)
        copies = [Continuation(row.prompt, row.edit, whole) for row in batch]
        generation._Batch(model, copies).run({"pad_token_id": 0, "eos_token_id": None}, Events())
        for row, copy in zip(batch, copies, strict=True):
            row.new = copy.new[: row.room]

    for row in sorted(rows, key=lambda row: len(row.prompt.ids)):
        if (len(batch) + 1) * (len(row.prompt.ids) + most) > budget and batch:
            run()
            batch = []
        batch.append(row)
    run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--mean", type=float, default=24)
    parser.add_argument("--most", type=int, default=96)
    parser.add_argument("--tokens-per-batch", type=int, default=Generation().tokens_per_batch)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with Model.from_pretrained(options.model) as model:
        if not can_decode(model):
            raise SystemExit("rows of this model cannot enter and leave a batch")
        ratios, equal = [], 0
        for _ in range(options.turns):
            one = rows_of(model, options.prompts, options.mean, options.most)
            other = rows_of(model, options.prompts, options.mean, options.most)
            began = time.perf_counter()
            fixed(model, one, options.tokens_per_batch, options.most)
            middle = time.perf_counter()
            write_all(model, other, [], options.tokens_per_batch, lambda _: None)
            ended = time.perf_counter()
            equal = sum(a.new == b.new for a, b in zip(one, other, strict=True))
            ratios.append((middle - began) / (ended - middle))
            print(
                f"fixed batches {middle - began:.1f} s, kept full {ended - middle:.1f} s, "
                f"{sum(len(row.new) for row in other)} tokens, {equal} of {len(one)} texts equal"
            )
        print(f"faster by {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
