"""Time of collecting all layers as a multiple of the bare forward pass on the same batches.

The bare side runs the decoder body alone (no language-model head, no cache) on batches that were
tokenized and padded beforehand. Both sides run by turns; the ratio is the median of the pairs'.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.fitting import collect as room
from langsteer.fitting.reading import Reading

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import tiny

TEXTS, PAIRS, BUDGET = 256, 9, 4096


def model(vocabulary: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=8,
        num_attention_heads=4,
        max_position_embeddings=512,
    )
    return LlamaForCausalLM(config).eval()


def corpus(texts: int) -> Corpus:
    languages = ["de", "fr", "ru", "zh"]
    rows = [
        Text(f"{n:05} " + "a sentence of some length " * (1 + n % 4), languages[n % 4], str(n // 4))
        for n in range(texts)
    ]
    return Corpus(tuple(rows), "sentences")


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    torch.set_num_threads(1)
    bound, bare = model(tiny.VOCABULARY), model(tiny.VOCABULARY)
    loaded, texts = Model(bound, tiny.tokenizer()), corpus(TEXTS)
    stream = loaded.stream
    tokenized = room._Tokenizer.of(loaded, Reading(max_length=512))(texts.texts)
    batches = list(room._batches(tokenized, BUDGET, stream.device))

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                bare.model(batch.ids, attention_mask=batch.mask, use_cache=False)

    def collect() -> None:
        room.collect(loaded, texts, Reading(tokens_per_batch=BUDGET))

    forward(), collect()
    ratios = []
    for pair in range(PAIRS):
        order = (collect, forward) if pair % 2 else (forward, collect)
        times = {run: seconds(run) for run in order}
        ratios.append(times[collect] / times[forward])
    print(f"collecting all layers / bare forward: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
