"""A map that adds a vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.edits.maps.affine import compose
from langsteer.edits.maps.base import Map, Terms


@dataclass(frozen=True, eq=False)
class Shift(Map):
    """`T(z) = z + vector`, with `vector [d]`."""

    vector: Tensor

    @property
    def width(self) -> int:
        """The width of the latents."""
        return self.vector.shape[-1]

    def change(self, z: Tensor) -> Tensor:
        """`[d]`: the vector."""
        return self.vector.to(z.dtype)

    def to(self, device: torch.device | str) -> Shift:
        """The same shift on `device`."""
        return Shift(self.vector.to(device))

    def then(self, other: Map) -> Map:
        """Two shifts add up; any other map takes the shift in."""
        if isinstance(other, Shift):
            return Shift(self.vector + other.vector)
        return other.first_adding(self.vector) or compose(self, other)

    def terms(self) -> Terms:
        """The vector, of rank 0."""
        none = self.vector.new_zeros(self.width, 0)
        return Terms(none, none, self.vector)

    def inverse(self) -> Shift:
        """The opposite shift."""
        return Shift(-self.vector)
