"""The random control: what an edit of the same size does that knows nothing of languages."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Map, Shift
from langsteer.errors import SteeringError


@dataclass(frozen=True, eq=False)
class RandomLike(Map):
    """Moves each latent as far as `model` does, but along `direction` [d], of norm 1."""

    model: Map
    direction: Tensor

    @property
    def width(self) -> int:
        """The width of the latents."""
        return self.model.width

    def change(self, z: Tensor) -> Tensor:
        """`|T(z) - z| · direction`, with `T` the map that it is like."""
        size = torch.linalg.vector_norm(self.model.change(z), dim=-1, keepdim=True)
        moved: Tensor = size * self.direction.to(z)
        return moved

    def to(self, device: torch.device | str) -> RandomLike:
        """The same map on `device`."""
        return RandomLike(self.model.to(device), self.direction.to(device))

    def then(self, other: Map) -> Map:
        """SteeringError: it is a control, and is not composed."""
        raise SteeringError("a random control cannot be composed with another map")

    def inverse(self) -> Map:
        """SteeringError: it is a control, and is not undone."""
        raise SteeringError("a random control cannot be undone")


def random_like(edit: Edit, name: str, seed: int = 0) -> Edit:
    """The edit with random directions; at every latent its change is as long as that of `edit`.

    Args:
        edit: the edit that it is to be as large as, with its layers, strength and scope.
        name: what it stands for; each name and layer has a direction of its own.
        seed: another one gives other directions.
    """

    def like(layer: int, map_: Map) -> Map:
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name} {layer}".encode()))
        drawn = torch.randn(map_.width, generator=generator, dtype=torch.float64)
        direction = (drawn / drawn.norm()).float()
        if isinstance(map_, Shift):
            return Shift(float(map_.vector.double().norm()) * direction)
        return RandomLike(map_, direction)

    return replace(edit, maps={layer: like(layer, map_) for layer, map_ in edit.maps.items()})
