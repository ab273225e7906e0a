"""Runs in the environment of repeng: texts and pairs in, directions per pair and layer out.

    python call_repeng.py HEADER.json IN.safetensors OUT.safetensors

The package reads the last token of every text. As every text occurs in the pairs of all languages,
its latents are read once and looked up after that.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from repeng import extract
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

BATCH = 64


def main() -> None:
    told, _, found = map(Path, sys.argv[1:])
    header = json.loads(told.read_text(encoding="utf-8"))
    model = AutoModelForCausalLM.from_pretrained(header["model"], dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(header["model"])
    texts, layers = header["texts"], header["layers"]
    read = extract.batched_get_hiddens(model, tokenizer, texts, layers, BATCH)
    where = {text: row for row, text in enumerate(texts)}

    def look_up(
        model: Any, tokenizer: Any, inputs: Sequence[str], hidden_layers: Sequence[int], size: int
    ) -> dict[int, np.ndarray]:
        rows = [where[text] for text in inputs]
        return {layer: read[layer][rows] for layer in hidden_layers}

    extract.batched_get_hiddens = look_up
    vectors = {}
    for name, pairs in header["pairs"].items():
        dataset = [extract.DatasetEntry(texts[target], texts[source]) for source, target in pairs]
        for way in header["ways"]:
            trained = extract.ControlVector.train(
                model, tokenizer, dataset, hidden_layers=layers, method=way
            )
            found_at = trained.directions.items()
            vectors |= {f"{way} {name}:{layer}": vector for layer, vector in found_at}
    save_file(vectors, found)


if __name__ == "__main__":
    main()
