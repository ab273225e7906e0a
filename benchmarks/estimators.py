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


def small_statistics(layers: int, width: int, languages: int) -> Statistics:
    """Statistics of random latents, `TEXTS` concepts in every language, all that is ever kept."""
    names = [f"l{i}" for i in range(languages)]
    keep = Keep("language", sample=TEXTS)
    found = Statistics.empty(range(layers), width, names, pooling="text", keep=keep)
    concepts = [f"c{i}" for i in range(TEXTS)] * languages
    rows = [name for name in names for _ in range(TEXTS)]
    z = (
        torch.randn(len(rows), layers, width)
        + torch.randn(languages, layers, width)[torch.arange(len(rows)) // TEXTS]
    )
    found.update(z, torch.ones(len(rows)), rows, concepts)
    return found


def large_statistics(layers: int, width: int, languages: int, at: int) -> Statistics:
    """As many numbers as a large model has, filled in and not collected; second moments at one."""
    names = [f"l{i}" for i in range(languages)]
    keep = Keep("pooled", layers=(at,))
    found = Statistics.empty(range(layers), width, names, pooling="text", keep=keep)
    for part in found.moments.values():
        part.texts, part.weight, part.weight2 = TEXTS, TEXTS, TEXTS
        part.mean = torch.randn(layers, width, dtype=torch.float64)
        part.squares = part.scatter = torch.rand(layers, width, dtype=torch.float64)
    half = torch.randn(width, TEXTS * languages, dtype=torch.float64)
    found.scatter.sums[""][0] = half @ half.T
    alignment = found.alignment
    alignment.concepts = TEXTS
    alignment.laplacian = TEXTS * (torch.eye(languages) - 1 / languages).double()
    alignment.moment.normal_()
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
    print("d = 4096, 32 layers, 32 languages, all 992 ordered pairs", flush=True)
    large = large_statistics(32, 4096, 32, 16)
    for name in ("difference", "effects"):
        print(f"  {name:20} {seconds(large, name, list(large.layers)):8.2f} s", flush=True)
    print(f"  {'erasure, one layer':20} {seconds(large, 'erasure', [16]):8.2f} s", flush=True)
    print("d = 192, 6 layers, 12 languages, all 132 ordered pairs", flush=True)
    small = small_statistics(6, 192, 12)
    for name in ESTIMATORS:
        print(f"  {name:20} {seconds(small, name, list(small.layers)):8.2f} s", flush=True)


if __name__ == "__main__":
    main()
