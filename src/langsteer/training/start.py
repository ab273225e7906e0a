"""Where training starts: at Δ, at the layer at which it does most."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from langsteer.space.space import Space
from langsteer.space.trained import Key, Shape, parts

CANDIDATES = 6
"""Layers that are tried."""


def keys_of(shape: Shape, pairs: Sequence[tuple[str, str]]) -> list[Key]:
    """What has a vector, for these pairs of languages."""
    return sorted({key for pair in pairs for key, _ in parts(shape, *pair)})


def differences(space: Space, shape: Shape, keys: Sequence[Key], layers: Sequence[int]) -> Tensor:
    """`[keys, layers, d]` float32: what makes the shift of every pair its Δ.

    Only with the shape `targets` there is no source to be less by, and it is the target's mean less
    that of all languages.
    """
    means = {
        language: torch.stack([space.mean(language, layer) for layer in layers])
        for language in space.languages
    }
    centre = torch.stack(list(means.values())).mean(0)

    def one(key: Key) -> Tensor:
        if shape == "pairs":
            return means[key[1]] - means[key[0]]
        return (means[key[0]] - centre) * (-1 if key[-1] == "source" else 1)

    return torch.stack(list(map(one, keys))).float()


def scales(found: Tensor) -> Tensor:
    """`[layers]`: the root mean square of the coordinates of all differences."""
    return found.square().mean((0, 2)).sqrt().clamp_min(torch.finfo(found.dtype).tiny)


def at_one_layer(found: Tensor, loss: Callable[[Tensor], float]) -> Tensor:
    """The differences at the layer of least loss, and zeros at the others."""
    places = sorted(
        {
            round(place)
            for place in torch.linspace(
                0, found.shape[1] - 1, min(CANDIDATES, found.shape[1])
            ).tolist()
        }
    )

    def at(place: int) -> Tensor:
        kept = torch.zeros_like(found)
        kept[:, place] = found[:, place]
        return kept

    return min(map(at, places), key=loss)
