"""What is trained: vectors of languages, of targets or of pairs, at several layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from langsteer.space.trained import Key, Shape, parts


class Vectors(nn.Module):
    """Trained vectors `[keys, layers, d]`, and the shifts of pairs that they make.

    What is trained, `weight`, is multiplied by `unit`, which broadcasts to the vectors: with
    `[1, layers, 1]` it is every coordinate, and a step is as large at each layer as its difference
    of means allows; with `[keys, layers, d]` and a weight `[keys, layers, 1]`, how much of that
    unit there is.
    """

    def __init__(
        self, shape: Shape, keys: Sequence[Key], layers: Sequence[int], unit: Tensor, weight: Tensor
    ) -> None:
        super().__init__()
        self.shape, self.layers = shape, tuple(layers)
        self.keys = {key: row for row, key in enumerate(keys)}
        self.unit, self.weight = unit, nn.Parameter(weight)

    def shifts(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """`[pairs, layers, d]`: what each pair adds."""
        return torch.einsum("pk,kld->pld", self._signs(pairs), self.weight * self.unit)

    def _signs(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """`[pairs, keys]`: how often each vector counts."""
        found = torch.zeros(len(pairs), len(self.keys))
        for row, pair in enumerate(pairs):
            for key, sign in parts(self.shape, *pair):
                found[row, self.keys[key]] = sign
        return found

    def values(self) -> dict[Key, Tensor]:
        """Key → `[layers, d]`, as they are now."""
        whole = (self.weight * self.unit).detach().clone()
        return {key: whole[row] for key, row in self.keys.items()}
