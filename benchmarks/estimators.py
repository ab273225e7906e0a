"""Seconds that estimators take from random statistics of a small and of a large model.

Run: python benchmarks/estimators.py [--threads N]
"""

from __future__ import annotations

import argparse
import itertools
import time

import torch

from langsteer.estimators import ESTIMATORS, estimate
from langsteer.statistics import Keep, Statistics

TEXTS = 40


def random_statistics(layers: int, width: int, languages: int, keep: Keep) -> Statistics:
    """Statistics of random latents, `TEXTS` concepts in every language."""
    names = [f"l{i}" for i in range(languages)]
    found = Statistics.empty(range(layers), width, names, pooling="text", keep=keep)
    generator = torch.Generator().manual_seed(0)
    for first in range(0, TEXTS, 8):
        concepts = [f"c{i}" for i in range(first, first + 8)] * languages
        rows = [name for name in names for _ in range(8)]
        z = torch.randn(len(rows), layers, width, generator=generator)
        z += torch.arange(len(rows))[:, None, None] // 8
        found.update(z, torch.ones(len(rows)), rows, concepts)
    return found


def seconds(found: Statistics, name: str, layers: list[int]) -> float:
    """Time to make the maps of all ordered pairs (one per target where no source is needed)."""
    began = time.perf_counter()
    for layer in layers:
        if ESTIMATORS[name].source:
            for source, target in itertools.permutations(found.languages, 2):
                estimate(name, found, source, target, layer)
        else:
            for target in found.languages:
                estimate(name, found, None, target, layer)
    return time.perf_counter() - began


def main() -> None:
    """Print one line per estimator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    small = random_statistics(6, 192, 12, Keep("language", sample=TEXTS))
    print("d = 192, 6 layers, 12 languages, all 132 ordered pairs")
    for name in ESTIMATORS:
        print(f"  {name:20} {seconds(small, name, list(small.layers)):8.2f} s")
    large = random_statistics(32, 4096, 32, Keep("pooled", layers=(16,)))
    print("d = 4096, 32 layers, 32 languages, all 992 ordered pairs")
    for name in ("difference", "effects"):
        print(f"  {name:20} {seconds(large, name, list(large.layers)):8.2f} s")
    print(f"  {'erasure, one layer':20} {seconds(large, 'erasure', [16]):8.2f} s")


if __name__ == "__main__":
    main()
