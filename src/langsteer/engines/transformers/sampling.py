"""Draw tokens by chance, each row by itself."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor


class Sampling(LogitsProcessor):
    """Adds Gumbel noise to what is left of the scores, so that the greatest of them is a sample.

    (Maddison, Tarlow and Minka, "A* Sampling", 2014, section 2.) Every row has a generator of its
    own: its text depends on its seed alone, not on the rows beside it, nor on other threads.
    """

    def __init__(self, temperature: float, top_p: float, seeds: Sequence[int]) -> None:
        self._temperature, self._top_p = temperature, top_p
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    @staticmethod
    def together(rows: Sequence[Sampling]) -> Sampling:
        """Rows that draw in the same way as one batch: each goes on with its own generator."""
        first = rows[0]
        one = Sampling(first._temperature, first._top_p, ())
        one._generators = [generator for row in rows for generator in row._generators]
        return one

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [rows, tokens], perturbed; minus infinity for tokens outside `top_p`."""
        scaled = scores.float() / self._temperature
        if self._top_p < 1:
            scaled = _nucleus(scaled, self._top_p)
        draws = [torch.rand(scores.shape[1], generator=one) for one in self._generators]
        uniform = torch.stack(draws).clamp(min=torch.finfo(torch.float32).tiny)
        noise = -torch.log(-torch.log(uniform.double())).float()
        return scaled + noise.to(scores.device)


def _nucleus(scores: Tensor, top_p: float) -> Tensor:
    """Keep the likeliest tokens that together have the probability `top_p`, at least one."""
    ordered, order = scores.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    dropped = (before >= top_p).scatter(1, order, before >= top_p)
    return scores.masked_fill(dropped, -math.inf)


def row_seeds(seed: int, rows: Sequence[Sequence[int]]) -> list[int]:
    """A seed for each row of tokens, from what it holds and how often it came before."""
    found, seen = [], dict[tuple[int, ...], int]()
    for row in map(tuple, rows):
        number = seen[row] = seen.get(row, 0) + 1
        digest = hashlib.sha256(repr((seed, number, row)).encode()).digest()
        found.append(int.from_bytes(digest[:8], "big"))
    return found
