"""Seconds that estimators take: all maps of the embedded model, and those of a large one.

The embedded model has 8 blocks, width 192 and 12 languages, so 1056 maps of ordered pairs; its
statistics are of the prompts that match its tasks. The large one is as wide as a model of eight
thousand million parameters, its statistics are random numbers.

Run: python benchmarks/estimators.py [--threads N] [--only small|large]
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch

from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus
from langsteer.engines.transformers.model import Model
from langsteer.estimators import ESTIMATORS, estimate, keep_for
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.statistics import Keep, Statistics

TEXTS = 40
SEARCHING = ("procrustes", "robust", "probe")
"""Those that iterate or refit; all others are closed forms."""


def small_statistics() -> Statistics:
    """Statistics of all blocks of the embedded model, with all that an estimator may ask for."""
    keep = keep_for(ESTIMATORS)
    return fit(
        Model.from_pretrained(str(MODEL)), matching_corpus(), Reading(pooling="last", keep=keep)
    ).statistics


def large_statistics(layers: int, width: int, languages: int, at: int) -> Statistics:
    """As many numbers as a large model has, filled in and not collected; second moments at one."""
    names = [f"l{i}" for i in range(languages)]
    keep = Keep("pooled", layers=(at,))
    found = Statistics.empty(range(layers), width, names, pooling="text", keep=keep)
    for part in found.moments.values():
        part.texts, part.weight, part.weight2 = TEXTS, TEXTS, TEXTS
        part.mean = torch.randn(layers, width, dtype=torch.float64)
        part.weighted_squares = part.scatter = torch.rand(layers, width, dtype=torch.float64)
    half = torch.randn(width, TEXTS * languages, dtype=torch.float64)
    found.scatter.sums[""][0] = half @ half.T
    alignment = found.alignment
    alignment.concepts = TEXTS
    alignment.laplacian = TEXTS * (torch.eye(languages) - 1 / languages).double()
    alignment.moment.normal_()
    return found


def maps(found: Statistics, name: str, layer: int) -> None:
    """The maps of all ordered pairs (one per target where no source is needed) at a block."""
    if ESTIMATORS[name].source:
        for source, target in itertools.permutations(found.languages, 2):
            estimate(name, found, source, target, layer)
    else:
        for target in found.languages:
            estimate(name, found, None, target, layer)


def seconds(found: Statistics, name: str, layers: Sequence[int], threads: int) -> float:
    """Time to make the maps of all blocks, as many blocks at once as there are threads."""
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(partial(maps, found, name), layers))
    return time.perf_counter() - began


def large(threads: int) -> None:
    """Print a line for each estimator that has a target there."""
    print("d = 4096, 32 layers, 32 languages, all 992 ordered pairs", flush=True)
    found = large_statistics(32, 4096, 32, 16)
    for name in ("difference", "effects"):
        print(f"  {name:20} {seconds(found, name, found.layers, threads):8.2f} s", flush=True)
    print(
        f"  {'erasure, one layer':20} {seconds(found, 'erasure', [16], threads):8.2f} s", flush=True
    )


def small(threads: int) -> None:
    """Print a line for each estimator, and the sum over the closed forms."""
    found = small_statistics()
    print(
        f"d = {found.width}, {len(found.layers)} layers, {len(found.languages)} languages, "
        "all 132 ordered pairs",
        flush=True,
    )
    total = 0.0
    for name in sorted(ESTIMATORS, key=SEARCHING.__contains__):
        took = seconds(found, name, found.layers, threads)
        total += 0.0 if name in SEARCHING else took
        print(f"  {name:20} {took:8.2f} s", flush=True)
    print(f"  {'all closed forms':20} {total:8.2f} s", flush=True)


def main() -> None:
    """Print one line per estimator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("small", "large"), help="one of the two models")
    options = parser.parse_args()
    if options.only != "small":
        torch.set_num_threads(options.threads)
        large(1)
    if options.only != "large":
        # Small matrices are worked on by one thread each.
        torch.set_num_threads(1)
        small(options.threads)


if __name__ == "__main__":
    main()
