"""Where training starts: at Δ, at the layer at which it does most."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from langsteer.space.space import Space
from langsteer.space.trained import Key, Shape, parts
from langsteer.training.options import Freedom

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


def unit_of(found: Tensor, freedom: Freedom) -> Tensor:
    """What a weight of 1 stands for.

    `[1, layers, 1]`, the usual size of a coordinate of the differences at a layer; or, if strengths
    are trained, the differences `[keys, layers, d]` themselves. The usual size is the median over
    coordinates: a few are hundreds of times as large in some models, and the output does not feel
    them.
    """
    if freedom == "strengths":
        return found
    each = found.square().mean(0).sqrt()
    return each.median(-1).values[None, :, None].clamp_min(torch.finfo(found.dtype).tiny)


def weight_of(found: Tensor, freedom: Freedom) -> Tensor:
    """The weight that makes the differences, in these units.

    `[keys, layers, d]`, or `[keys, layers, 1]` if strengths are trained.
    """
    if freedom == "strengths":
        return torch.ones_like(found[..., :1])
    return found / unit_of(found, freedom)


def at_one_layer(weight: Tensor, loss: Callable[[Tensor], float]) -> Tensor:
    """The weight at the layer of least loss, and zeros at the others."""
    count = min(CANDIDATES, weight.shape[1])
    places = sorted({round(one) for one in torch.linspace(0, weight.shape[1] - 1, count).tolist()})

    def at(place: int) -> Tensor:
        kept = torch.zeros_like(weight)
        kept[:, place] = weight[:, place]
        return kept

    return min(map(at, places), key=loss)
