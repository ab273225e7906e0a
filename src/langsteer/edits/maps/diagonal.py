"""A map of each coordinate by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from langsteer.edits.maps.affine import compose
from langsteer.edits.maps.base import Map
from langsteer.edits.maps.shift import Shift
from langsteer.errors import SteeringError


@dataclass(frozen=True, eq=False)
class Diagonal(Map):
    """`T(z) = scale * z + bias`, coordinate by coordinate; both `[d]`."""

    scale: Tensor
    bias: Tensor

    @property
    def width(self) -> int:
        """The width of the latents."""
        return self.bias.shape[-1]

    def change(self, z: Tensor) -> Tensor:
        """`(scale - 1) z + bias`."""
        return z * (self.scale.to(z.dtype) - 1) + self.bias.to(z.dtype)

    def to(self, device: torch.device | str) -> Diagonal:
        """The same map on `device`."""
        return Diagonal(self.scale.to(device), self.bias.to(device))

    def then(self, other: Map) -> Map:
        """Diagonal maps and shifts stay diagonal."""
        if isinstance(other, Shift):
            return replace(self, bias=self.bias + other.vector)
        if isinstance(other, Diagonal):
            return Diagonal(self.scale * other.scale, other.scale * self.bias + other.bias)
        return compose(self, other)

    def inverse(self) -> Diagonal:
        """Divide instead of multiply."""
        if bool((self.scale == 0).any()):
            raise SteeringError("A diagonal map with a zero in its scale cannot be undone.")
        return Diagonal(1 / self.scale, -self.bias / self.scale)

    def first_adding(self, vector: Tensor) -> Map:
        """The bias takes the vector in."""
        return replace(self, bias=vector + self.change(vector))
