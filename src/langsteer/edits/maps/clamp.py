"""A map that sets one coordinate to a value, whatever it was."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.edits.maps.affine import compose
from langsteer.edits.maps.base import Map, Terms
from langsteer.errors import SteeringError

NORM = 1e-3
"""How far from 1 the norm of a direction may be."""


@dataclass(frozen=True, eq=False)
class Clamp(Map):
    """`T(z) = z + (value - direction · z) direction`, with `direction [d]` of norm 1.

    The coordinate of every latent along the direction becomes `value`; what is orthogonal to it
    stays. With value 0 the direction is erased, and editing twice is the same as editing once.

    Raises:
        SteeringError: the direction is not of norm 1.
    """

    direction: Tensor
    value: float = 0.0

    def __post_init__(self) -> None:
        norm = float(torch.linalg.vector_norm(self.direction.float()))
        if abs(norm - 1) > NORM:
            raise SteeringError(
                f"the direction of a clamp must have norm 1, not {norm:.4g}; divide it by its norm "
                "(and the value, if it was meant along the longer vector)"
            )

    @property
    def width(self) -> int:
        """The width of the latents."""
        return self.direction.shape[-1]

    def change(self, z: Tensor) -> Tensor:
        """`(value - direction · z) direction`."""
        direction = self.direction.to(z)
        return (self.value - z @ direction)[..., None] * direction

    def to(self, device: torch.device | str) -> Clamp:
        """The same map on `device`."""
        return Clamp(self.direction.to(device), self.value)

    def then(self, other: Map) -> Map:
        """The product of the two; of two clamps of one direction, the second."""
        if isinstance(other, Clamp) and torch.equal(self.direction, other.direction):
            return other
        return compose(self, other)

    def inverse(self) -> Map:
        """SteeringError: what the coordinate was is not known any more."""
        raise SteeringError("A clamp forgets what the coordinate was, so it cannot be undone.")

    def terms(self) -> Terms:
        """The map as one column that is read and written."""
        column = self.direction[:, None]
        return Terms(-column, column, self.value * self.direction)
