"""The head of a large vocabulary on a CPU: of a view with gaps, and of the same rows laid out.

    python benchmarks/head.py

Prints the seconds of both for 16 prompts, a width of 640 and 262,144 tokens, in bfloat16, with
weights that take no gradient. Needs 6 GB of memory.
"""

from __future__ import annotations

import time

import torch

ROWS, COLUMNS, WIDTH, VOCABULARY = 16, 50, 640, 262_144


@torch.no_grad()
def main() -> None:
    """Time both."""
    head = torch.nn.Linear(WIDTH, VOCABULARY, bias=False, dtype=torch.bfloat16)
    head.requires_grad_(False)
    last = torch.randn(ROWS, COLUMNS, WIDTH, dtype=torch.bfloat16)[:, -1:]
    for name, hidden in (("with gaps", last), ("laid out", last.contiguous())):
        began = time.perf_counter()
        head(hidden)
        print(f"{name}: {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
