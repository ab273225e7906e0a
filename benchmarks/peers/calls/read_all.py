"""Runs in the environment of one tool: reads texts, gives Δ for all pairs of languages.

    python read_all.py TOOL HEADER.json OUT.safetensors

Prints one line of JSON: the seconds of reading, without loading the model, and the peak memory. The
tools are called as their documentation shows, with their own defaults but for the layers: all.
"""

# ruff: noqa: PLC0415 - each tool is only there in its own environment

import itertools
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

Vectors = dict[str, Tensor]
"""`SOURCE>TARGET` → [layers, d]."""


def langsteer(header: dict[str, Any], pooling: str) -> tuple[float, Vectors]:
    """One pass over all texts."""
    from langsteer.data.corpus import Corpus, Text
    from langsteer.engines.transformers.model import Model
    from langsteer.fitting.fit import fit
    from langsteer.fitting.reading import Reading

    model = Model.from_pretrained(header["model"], device="cpu", dtype="float32")
    texts = [
        Text(text, language, str(number))
        for language, mine in header["texts"].items()
        for number, text in enumerate(mine)
    ]
    began = time.perf_counter()
    statistics = fit(model, Corpus(tuple(texts), "texts"), Reading(pooling=pooling)).statistics
    found = {}
    for source, target in itertools.combinations(header["texts"], 2):
        means = [torch.stack([statistics.mean(one, at) for at in statistics.layers])
                 for one in (target, source)]  # fmt: skip
        found[f"{source}>{target}"] = (means[0] - means[1]).float()
    return time.perf_counter() - began, found


def loaded(header: dict[str, Any]) -> tuple[Any, Any]:
    """The model and its tokenizer, for tools that take both."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(header["model"], dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(header["model"])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = 0
    return model, tokenizer


def steering_vectors(header: dict[str, Any]) -> tuple[float, Vectors]:
    """A training for each pair; the opposite one has the other sign."""
    from steering_vectors import train_steering_vector

    model, tokenizer = loaded(header)
    began, found = time.perf_counter(), {}
    for source, target in itertools.combinations(header["texts"], 2):
        pairs = list(zip(header["texts"][target], header["texts"][source], strict=True))
        trained = train_steering_vector(model, tokenizer, pairs)
        layers = trained.layer_activations
        found[f"{source}>{target}"] = torch.stack([layers[at] for at in sorted(layers)])
    return time.perf_counter() - began, found


def repeng(header: dict[str, Any]) -> tuple[float, Vectors]:
    """The same, with a principal component for each layer."""
    from repeng import ControlModel, ControlVector, DatasetEntry

    model, tokenizer = loaded(header)
    depth = model.config.num_hidden_layers
    wrapped = ControlModel(model, list(range(depth)))
    began, found = time.perf_counter(), {}
    for source, target in itertools.combinations(header["texts"], 2):
        pairs = zip(header["texts"][target], header["texts"][source], strict=True)
        data = [DatasetEntry(positive, negative) for positive, negative in pairs]
        trained = ControlVector.train(wrapped, tokenizer, data)
        layers = trained.directions
        found[f"{source}>{target}"] = torch.stack(
            [torch.from_numpy(layers[at]).float() for at in sorted(layers)]
        )
    return time.perf_counter() - began, found


def clas_bench(header: dict[str, Any], batch: int = 8) -> tuple[float, Vectors]:
    """Means over all tokens of each language, from the hidden states of the whole model."""
    model, tokenizer = loaded(header)
    began, means = time.perf_counter(), {}
    for language, texts in header["texts"].items():
        total, count = torch.zeros(1), 0
        for start in range(0, len(texts), batch):
            given = tokenizer(texts[start : start + batch], return_tensors="pt", padding=True)
            with torch.no_grad():
                states = model(**given, output_hidden_states=True).hidden_states[1:]
            mask = given["attention_mask"].bool()
            total = total + torch.stack([one[mask].double().sum(0) for one in states])
            count += int(mask.sum())
        means[language] = total / count
    found = {
        f"{source}>{target}": (means[target] - means[source]).float()
        for source, target in itertools.combinations(means, 2)
    }
    return time.perf_counter() - began, found


TOOLS = {
    "langsteer last": lambda header: langsteer(header, "last"),
    "langsteer tokens": lambda header: langsteer(header, "tokens"),
    "steering-vectors": steering_vectors,
    "repeng": repeng,
    "CLaS-Bench": clas_bench,
}


def main() -> None:
    tool, told, out = sys.argv[1:]
    header = json.loads(Path(told).read_text(encoding="utf-8"))
    seconds, vectors = TOOLS[tool](header)
    save_file({name: one.contiguous() for name, one in vectors.items()}, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": round(seconds, 1), "GiB": round(peak, 2)}))


if __name__ == "__main__":
    main()
