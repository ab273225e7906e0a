"""Maps by a full matrix, and any map as one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.edits.maps.base import SINGULAR, Map
from langsteer.errors import SteeringError


@dataclass(frozen=True, eq=False)
class Affine(Map):
    """`T(z) = matrix z + bias`, with `matrix [d, d]`: a full product per token."""

    matrix: Tensor
    bias: Tensor

    @property
    def width(self) -> int:
        """The width of the latents."""
        return self.bias.shape[-1]

    def change(self, z: Tensor) -> Tensor:
        """`matrix z + bias - z`."""
        return z @ self.matrix.to(z.dtype).T + self.bias.to(z.dtype) - z

    def to(self, device: torch.device | str) -> Affine:
        """The same map on `device`."""
        return Affine(self.matrix.to(device), self.bias.to(device))

    def then(self, other: Map) -> Map:
        """The product of the two."""
        return compose(self, other)

    def inverse(self) -> Affine:
        """By the inverse matrix; `SteeringError` where it is singular."""
        matrix = self.matrix.double()
        if float(torch.linalg.svdvals(matrix).min()) < SINGULAR:
            raise SteeringError("This affine map has a singular matrix, so it cannot be undone.")
        back = torch.linalg.inv(matrix)
        return Affine(back.float(), -(back @ self.bias.double()).float())


def affine(given: Map) -> Affine:
    """Any of the maps as `matrix z + bias`, in float32. Costs d × d numbers."""
    zero = torch.zeros(given.width, dtype=torch.float64)
    local = given.to("cpu")
    bias = local.change(zero)
    eye = torch.eye(given.width, dtype=torch.float64)
    matrix = (eye + local.change(eye) - bias).T
    return Affine(matrix.float(), bias.float())


def compose(first: Map, second: Map) -> Affine:
    """The map that applies `first` and then `second`, whatever they are. Costs d × d numbers."""
    a, b = affine(first), affine(second)
    matrix = b.matrix.double() @ a.matrix.double()
    bias = b.matrix.double() @ a.bias.double() + b.bias.double()
    return Affine(matrix.float(), bias.float())
