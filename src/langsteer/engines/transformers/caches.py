"""Keys and values of rows that begin and end at different times: take some, join others, crop.

All rows end at the last column; what a row does not have on the left is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer)


def empty_cache(model: PreTrainedModel) -> DynamicCache | None:
    """An empty cache for this model; None if it keeps anything else than keys and values."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    return cache if all(type(layer) in _LAYERS for layer in cache.layers) else None


def keep_rows(cache: DynamicCache, rows: Tensor, columns: int) -> None:
    """Keep the rows [n] of a cache, and of their tokens the last `columns`."""
    for layer in _filled(cache):
        stored = _stored(layer, columns)
        layer.keys, layer.values = (
            held[rows][:, :, held.shape[2] - stored :].contiguous()
            for held in (layer.keys, layer.values)
        )
        _count(layer, columns)


def join_caches(first: DynamicCache, second: DynamicCache, columns: int) -> None:
    """Put the rows of the second cache below those of the first, both `columns` wide then."""
    for one, other in zip(_filled(first), _filled(second), strict=True):
        stored = _stored(one, columns)
        one.keys = torch.cat([_wide(one.keys, stored), _wide(other.keys, stored)])
        one.values = torch.cat([_wide(one.values, stored), _wide(other.values, stored)])
        _count(one, columns)


def give_rows(cache: DynamicCache, counts: Sequence[int]) -> bool:
    """Give each row of a cache of one row its first tokens, so many of them, at its right end.

    Returns False, and changes nothing, if a sliding window has dropped some of them already.
    """
    columns = max(counts)
    layers = _filled(cache)
    if any(layer.keys.shape[2] != columns for layer in layers):
        return False
    place = torch.arange(columns) - (columns - torch.tensor(counts)[:, None])
    for layer in layers:
        where = place.clamp(min=0).to(layer.keys.device)
        layer.keys, layer.values = (
            held[0].transpose(0, 1)[where].transpose(1, 2) for held in (layer.keys, layer.values)
        )
    return True


def _filled(cache: DynamicCache) -> list[Any]:
    """The layers that hold anything: those that share another one's keys and values do not."""
    layers: list[Any] = list(cache.layers)
    return [layer for layer in layers if layer.keys is not None]


def _stored(layer: Any, columns: int) -> int:
    """How many of so many columns a layer holds: with a sliding window only the last."""
    return min(columns, layer.sliding_window - 1) if layer.is_sliding else columns


def _count(layer: Any, columns: int) -> None:
    if layer.is_sliding:
        layer.cumulative_length = columns


def _wide(held: Tensor, columns: int) -> Tensor:
    """Keys or values [rows, heads, n, width] with padding on the left up to so many columns."""
    return pad(held, (0, 0, columns - held.shape[2], 0))
