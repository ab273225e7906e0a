"""Peak memory of collecting 20,000 texts as a multiple of that of 1,000 texts.

Each side is a process of its own; the corpus itself is in memory in both, as the user's is.
"""

import resource
import subprocess
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from collecting import corpus, tiny
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.fitting.collect import collect
from langsteer.fitting.reading import Reading


def peak(texts: int) -> int:
    """Peak resident memory in KiB of a process that collects this many texts."""
    out = subprocess.run(
        [sys.executable, __file__, str(texts)], check=True, capture_output=True, text=True
    )
    return int(out.stdout)


def run(texts: int) -> None:
    torch.set_num_threads(1)
    config = LlamaConfig(
        vocab_size=tiny.VOCABULARY,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        max_position_embeddings=512,
    )
    stream = ResidualStream(LlamaForCausalLM(config).eval())
    collect(Model(stream.model, tiny.tokenizer()), corpus(texts), Reading(max_length=24))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(int(sys.argv[1]))
    else:
        print(f"peak memory, 20,000 / 1,000 texts: {peak(20_000) / peak(1_000):.3f}")
