"""Time of collecting all layers, and matched, as multiples of the bare forward pass.

The bare side runs the decoder body alone (no language-model head, no cache) on batches that were
tokenized and padded beforehand. All sides run by turns; a ratio is the median of the rounds'. The
table of tokens that `matched` needs is made beforehand; making it runs no model.
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
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.reading import Reading
from langsteer.fitting.rows import Batch, Tokenizer, in_batches
from langsteer.statistics.pooling import Pooling

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import tiny

TEXTS, ROUNDS, BUDGET = 256, 9, 4096
POOLINGS: tuple[Pooling, ...] = ("tokens", "matched")


def model(
    *, width: int = 256, inner: int = 704, layers: int = 8, heads: int = 4
) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tiny.VOCABULARY,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
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
    bound, bare = model(), model()
    loaded, texts = Model(bound, tiny.tokenizer()), corpus(TEXTS)
    stream = loaded.stream
    tokenized = Tokenizer.of(loaded, Reading(max_length=512))(texts.texts)
    batches = [Batch.of(tokenized, rows, stream.device) for rows in in_batches(tokenized, BUDGET)]
    plain, matched = (Reading(tokens_per_batch=BUDGET, pooling=one) for one in POOLINGS)
    table = token_table(loaded, texts, matched)

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                bare.model(batch.ids, attention_mask=batch.mask, use_cache=False)

    def tokens() -> None:
        collect(loaded, texts, plain)

    def at_tokens() -> None:
        collect(loaded, texts, matched, table=table)

    sides = (forward, tokens, at_tokens)
    for side in sides:
        side()
    ratios: dict[Callable[[], None], list[float]] = {tokens: [], at_tokens: []}
    for turn in range(ROUNDS):
        order = sides[turn % 3 :] + sides[: turn % 3]
        times = {side: seconds(side) for side in order}
        for side, found in ratios.items():
            found.append(times[side] / times[forward])
    for pooling, found in zip(POOLINGS, ratios.values(), strict=True):
        print(f"collecting all layers, {pooling} / bare forward: {statistics.median(found):.3f}")


if __name__ == "__main__":
    main()
