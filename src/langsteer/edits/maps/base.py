"""A map of a latent: what an estimator yields and an edit applies.

Every map has the same strength: `z' = z + strength · (T(z) - z)`. Strength 0 is `z` itself and 1 is
the map.

Rounding is decided here, for maps called one by one and for engines that apply tables of them: the
strength multiplies the change in float32 (float64 for float64 latents), the sum with the latent is
taken there too, and only this sum is rounded to the dtype of the latent, once (`rounded`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

SINGULAR = 1e-6
"""A map that shrinks a direction below this cannot be undone in float32."""


class Terms(NamedTuple):
    """A map as `T(z) = z + left (rightᵀ z) + bias`: `left, right [d, r]` and `bias [d]`."""

    left: Tensor
    right: Tensor
    bias: Tensor


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

    def terms(self) -> Terms | None:
        """The map as a low-rank change, by which an engine applies many at once; None if it isn't.

        A shift is one of rank 0.
        """
        return None

    def first_adding(self, vector: Tensor) -> Map | None:
        """The map that adds `vector [d]` and then does what this one does, if it is of its kind."""
        return None

    def same(self, other: Map) -> bool:
        """Whether the other map does the same: it is of this kind, with equal numbers."""
        if self is other:
            return True
        mine, theirs = vars(self), vars(other)
        return type(self) is type(other) and all(_equal(mine[name], theirs[name]) for name in mine)

    def __call__(self, z: Tensor, strength: float = 1.0) -> Tensor:
        """`z + strength · (T(z) - z)` in the dtype of `z`; at strength 0 it is `z` itself."""
        if strength == 0:
            return z
        wide = z.to(wide_dtype(z.dtype))
        return rounded(wide + strength * self.change(wide), z.dtype)


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which latents of this dtype are edited."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def rounded(wide: Tensor, dtype: torch.dtype) -> Tensor:
    """Edited latents in the dtype of the model; float16 stays within its range."""
    if dtype == torch.float16:
        limit = torch.finfo(dtype).max
        wide = wide.clamp(-limit, limit)
    return wide.to(dtype)


def _equal(mine: object, theirs: object) -> bool:
    if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
        alike = mine.dtype == theirs.dtype and mine.shape == theirs.shape
        return alike and torch.equal(mine.to(theirs.device), theirs)
    return mine == theirs
