"""Shifts in force during a forward pass, so that gradients reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from langsteer.edits.maps.base import rounded, wide_dtype
from langsteer.engines.transformers.hooks import Editor, Forward, PromptTokens
from langsteer.engines.transformers.stream import ResidualStream


class ShiftEditor:
    """Adds `shifts [rows, layers, d]` where `selected [rows, columns]` holds.

    It rounds as an edit of the same shifts does.
    """

    def __init__(self, layers: Sequence[int], shifts: Tensor, selected: Tensor) -> None:
        self._places = {layer: place for place, layer in enumerate(layers)}
        self._shifts, self._selected = shifts, selected

    @property
    def layers(self) -> Set[int]:
        """The layers whose output it edits."""
        return self._places.keys()

    def edit(self, forward: Forward, index: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of layer `index`, shifted."""
        wide = wide_dtype(hidden.dtype)
        shift = self._shifts[:, self._places[index], None].to(hidden.device, wide)
        moved = rounded(hidden.to(wide) + shift, hidden.dtype)
        return torch.where(self._selected[..., None].to(hidden.device), moved, hidden)

    def finish(self, forward: Forward) -> None:
        """Nothing to check."""

    def generated(self, prompt: PromptTokens, kept: Callable[[], Sequence[int]]) -> None:
        """Nothing to count."""

    def check_cache(self, cache: Any) -> None:
        """No cache is used."""

    def mark_cache(self, cache: Any) -> None:
        """No cache is used."""


@contextmanager
def shifted(stream: ResidualStream, editor: Editor) -> Iterator[None]:
    """Let the shifts act on forward passes of this context."""
    with stream.hooks.editing(editor):
        yield
