"""Runs in the environment of steering-vectors: texts and pairs in, vectors per pair and layer out.

    python call_steering.py HEADER.json IN.safetensors OUT.safetensors

The package reads the last token of every text (its default) and averages the differences of the
pairs (its default aggregator).
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from steering_vectors import aggregate_activations, extract_activations, mean_aggregator
from transformers import AutoModelForCausalLM, AutoTokenizer

BATCH = 64


def main() -> None:
    told, _, found = map(Path, sys.argv[1:])
    header = json.loads(told.read_text(encoding="utf-8"))
    model = AutoModelForCausalLM.from_pretrained(header["model"], dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(header["model"])
    texts, layers = header["texts"], header["layers"]
    halves = list(zip(texts[::2], [*texts[1::2], texts[0]], strict=False))
    first, second = extract_activations(model, tokenizer, halves, layers=layers, batch_size=BATCH)
    latents = {}
    for layer in layers:
        both = torch.stack([torch.cat(first[layer]), torch.cat(second[layer])], dim=1)
        latents[layer] = both.flatten(0, 1)[: len(texts)]
    vectors = {}
    for name, pairs in header["pairs"].items():
        rows = torch.tensor(pairs)
        sides = [{layer: [latents[layer][rows[:, side]]] for layer in layers} for side in (1, 0)]
        trained = aggregate_activations(*sides, mean_aggregator())
        vectors |= {f"{name}:{layer}": vector for layer, vector in trained.items()}
    save_file(vectors, found)


if __name__ == "__main__":
    main()
