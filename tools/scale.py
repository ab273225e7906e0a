"""Print what reading a corpus takes for large models: the tables of docs/scale.md.

    python tools/scale.py [--rate 486]

Reading is a forward pass without the language-model head: 2 floating-point operations for each
weight and token, and 4 · layers · width for each token before it in its text. RATE is what one GPU
was measured to do, in teraflops.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from langsteer.statistics import Keep, Matching

LANGUAGES, TEXTS, TOKENS = 200, 1000, 64
"""How many languages, texts of each, and tokens of a text."""
WORKERS = {"one GPU": 1, "eight GPUs": 8, "64 nodes of eight": 512}
SHARE = 0.9
"""Of the rate, that several processes keep: the last part ends later than the first."""
GIB = 1024**3


@dataclass(frozen=True)
class Shape:
    """A model: its weights without embeddings, its layers and its width."""

    name: str
    weights: float
    layers: int
    width: int

    def operations(self) -> float:
        """For all texts."""
        tokens = LANGUAGES * TEXTS * TOKENS
        return tokens * (2 * self.weights + 4 * self.layers * self.width * TOKENS / 2)


SHAPES = (
    Shape("8 billion", 7.0e9, 32, 4096),
    Shape("70 billion", 68.5e9, 80, 8192),
    Shape("405 billion", 401e9, 126, 16384),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=486.0, help="teraflops of one GPU")
    rate = parser.parse_args().rate * 1e12
    print(f"{LANGUAGES} languages, {TEXTS:,} texts of {TOKENS} tokens each: "
          f"{LANGUAGES * TEXTS * TOKENS / 1e6:.1f} million tokens\n")  # fmt: skip
    print("| model | operations | " + " | ".join(WORKERS) + " |")
    print("|---|---|" + "---|" * len(WORKERS))
    for shape in SHAPES:
        hours = [
            shape.operations() / (rate * count * (SHARE if count > 1 else 1)) / 3600
            for count in WORKERS.values()
        ]
        said = " | ".join(time_of(one) for one in hours)
        print(f"| {shape.name} | {shape.operations():.1e} | {said} |")
    print("\n| model | weights in bfloat16 | means, one process | the same, matched | the file |")
    print("|---|---|---|---|---|")
    for shape in SHAPES:
        means = Keep().bytes(range(shape.layers), shape.width, LANGUAGES)
        matched = means + Matching.bytes(LANGUAGES, shape.layers, shape.width)
        row = (2 * shape.weights, means, matched, means / 2)
        print(f"| {shape.name} | " + " | ".join(f"{one / GIB:,.1f} GiB" for one in row) + " |")


def time_of(hours: float) -> str:
    """Hours, minutes or seconds, whichever are few."""
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{60 * hours:.0f} min" if hours * 60 >= 1 else f"{3600 * hours:.0f} s"


if __name__ == "__main__":
    main()
