"""Time of steered decoding as a multiple of unsteered decoding, at batch 1 and 32.

The unsteered side is a model that was never bound, so the resident hooks count as well. Each row
has its own edit (three shifts and unsteered rows in turn). Both sides run by turns; the ratio is
the median of the pairs' ratios.
"""

import statistics
import time
from collections.abc import Callable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from langsteer.maps import Shift
from langsteer.residual import ResidualStream
from langsteer.steering import Edit, Scope, steering

NEW, PROMPT, PAIRS = 24, 16, 25


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=8,
        num_attention_heads=4,
        max_position_embeddings=512,
    )
    return LlamaForCausalLM(config).eval()


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def measure(rows: int) -> float:
    bare, bound = model(), model()
    stream = ResidualStream(bound)
    edits = [
        None
        if row % 4 == 3
        else Edit({4: Shift(torch.randn(256) * (row % 4 + 1))}, scope=Scope.parse("generated"))
        for row in range(rows)
    ]
    ids = torch.randint(0, 4096, (rows, PROMPT))
    options = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": NEW,
        "min_new_tokens": NEW,
        "do_sample": False,
        "pad_token_id": 0,
    }

    def unsteered() -> object:
        return bare.generate(ids, **options)

    def steered() -> object:
        with steering(stream, edits):
            return bound.generate(ids, **options)

    unsteered(), steered()
    ratios = []
    for pair in range(PAIRS):
        first, second = (steered, unsteered) if pair % 2 else (unsteered, steered)
        times = {run: seconds(run) for run in (first, second)}
        ratios.append(times[steered] / times[unsteered])
    return statistics.median(ratios)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for rows in (1, 32):
        print(f"steered / unsteered decoding, batch {rows}: {measure(rows):.3f}")
