"""A map that reads some directions and writes others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from langsteer.edits.maps.affine import compose
from langsteer.edits.maps.base import SINGULAR, Map, Terms
from langsteer.edits.maps.shift import Shift
from langsteer.errors import SteeringError


@dataclass(frozen=True, eq=False)
class LowRank(Map):
    """`T(z) = z + left (rightᵀ z) + bias`, with `left, right [d, r]`, `bias [d]`.

    Applied with two thin products per token: O(d·r), never O(d²).
    """

    left: Tensor
    right: Tensor
    bias: Tensor

    @property
    def width(self) -> int:
        """The width of the latents."""
        return self.bias.shape[-1]

    @property
    def rank(self) -> int:
        """The number of directions that are read and written."""
        return self.left.shape[-1]

    def change(self, z: Tensor) -> Tensor:
        """`left (rightᵀ z) + bias`."""
        thin = z @ self.right.to(z.dtype)
        return thin @ self.left.to(z.dtype).T + self.bias.to(z.dtype)

    def to(self, device: torch.device | str) -> LowRank:
        """The same map on `device`."""
        return LowRank(self.left.to(device), self.right.to(device), self.bias.to(device))

    def then(self, other: Map) -> Map:
        """Low-rank maps and shifts stay low-rank; ranks add up."""
        if isinstance(other, Shift):
            return replace(self, bias=self.bias + other.vector)
        if isinstance(other, LowRank):
            passed = self.left + other.left @ (other.right.T @ self.left)
            return LowRank(
                torch.cat([passed, other.left], -1),
                torch.cat([self.right, other.right], -1),
                self.bias + other.left @ (other.right.T @ self.bias) + other.bias,
            )
        return compose(self, other)

    def terms(self) -> Terms:
        """The map itself."""
        return Terms(self.left, self.right, self.bias)

    def inverse(self) -> LowRank:
        """By the Woodbury identity; `SteeringError` where the map erases a direction."""
        left, right, bias = self.left.double(), self.right.double(), self.bias.double()
        core = torch.eye(self.rank, dtype=torch.float64, device=left.device) + right.T @ left
        if self.rank and float(torch.linalg.svdvals(core).min()) < SINGULAR:
            raise SteeringError(
                "This low-rank map erases a direction, so it cannot be undone. Undo it by editing "
                "towards the language that the text came from."
            )
        back = -torch.linalg.solve(core, left, left=False)
        shift = -(bias + back @ (right.T @ bias))
        return LowRank(back.float(), self.right, shift.float())

    def first_adding(self, vector: Tensor) -> Map:
        """The bias takes the vector in."""
        return replace(self, bias=vector + self.change(vector))
