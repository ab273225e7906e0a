"""What is trained: vectors of languages, of targets or of pairs, at several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from langsteer.space.trained import Key, Shape, parts


class Vectors(nn.Module):
    """Trained vectors `[keys, layers, d]`, and the shifts of pairs that they make.

    They are trained in units of `scale [layers]`, so that a step is as large at each layer as its
    difference of means allows.
    """

    def __init__(
        self, shape: Shape, begin: Mapping[Key, Tensor], layers: Sequence[int], scale: Tensor
    ) -> None:
        super().__init__()
        self.shape, self.layers = shape, tuple(layers)
        self.keys = {key: row for row, key in enumerate(begin)}
        self.scale = scale[None, :, None]
        self.weight = nn.Parameter(torch.stack(list(begin.values())) / self.scale)

    def shifts(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """`[pairs, layers, d]`: what each pair adds."""
        return torch.einsum("pk,kld->pld", self._signs(pairs), self.weight * self.scale)

    def _signs(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """`[pairs, keys]`: how often each vector counts."""
        found = torch.zeros(len(pairs), len(self.keys))
        for row, pair in enumerate(pairs):
            for key, sign in parts(self.shape, *pair):
                found[row, self.keys[key]] = sign
        return found

    def values(self) -> dict[Key, Tensor]:
        """Key → `[layers, d]`, as they are now."""
        whole = (self.weight * self.scale).detach().clone()
        return {key: whole[row] for key, row in self.keys.items()}
