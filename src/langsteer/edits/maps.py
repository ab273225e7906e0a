"""Maps of a latent: what an estimator yields and an edit applies.

Every map has the same strength: `z' = z + strength · (T(z) - z)`. Strength 0 is `z` itself and 1 is
the map. Products are computed in float32 (float64 for float64 latents) and cast back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from langsteer.errors import SteeringError

SINGULAR = 1e-6
"""A map that shrinks a direction below this cannot be undone in float32."""


class Map(ABC):
    """A function `T` of latents `[..., d]`, given by its change `T(z) - z`."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The width `d` of the latents that the map takes."""

    @abstractmethod
    def change(self, z: Tensor) -> Tensor:
        """`T(z) - z`, or what broadcasts to it, for `z [..., d]` in float32 or float64."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Map:
        """The same map with its tensors on `device`."""

    @abstractmethod
    def then(self, other: Map) -> Map:
        """The one map that applies this one and then `other`."""

    @abstractmethod
    def inverse(self) -> Map:
        """The map that undoes this one; `SteeringError` where it cannot be undone."""

    def __call__(self, z: Tensor, strength: float = 1.0) -> Tensor:
        """`z + strength · (T(z) - z)` in the dtype of `z`; at strength 0 it is `z` itself."""
        if strength == 0:
            return z
        wide = z if z.dtype == torch.float64 else z.float()
        return (wide + strength * self.change(wide)).to(z.dtype)


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
        return _compose(self, other)

    def inverse(self) -> Shift:
        """The opposite shift."""
        return Shift(-self.vector)


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
        return _compose(self, other)

    def inverse(self) -> Diagonal:
        """Divide instead of multiply."""
        if bool((self.scale == 0).any()):
            raise SteeringError("A diagonal map with a zero in its scale cannot be undone.")
        return Diagonal(1 / self.scale, -self.bias / self.scale)


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
        return _compose(self, other)

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
        return _compose(self, other)

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


def _compose(first: Map, second: Map) -> Map:
    if isinstance(first, Shift) and isinstance(second, Diagonal | LowRank):
        vector = first.vector + second.change(first.vector)
        return replace(second, bias=vector)
    a, b = affine(first), affine(second)
    matrix = b.matrix.double() @ a.matrix.double()
    bias = b.matrix.double() @ a.bias.double() + b.bias.double()
    return Affine(matrix.float(), bias.float())
