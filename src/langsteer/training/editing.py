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


class TrainingEditor:
    """Edits the outputs of `layers` where `selected [rows, columns]` holds, so that a gradient can
    reach what edits them. No cache is used, and nothing is generated.
    """

    def __init__(self, layers: Sequence[int], selected: Tensor) -> None:
        self._places = {layer: place for place, layer in enumerate(layers)}
        self._selected = selected

    def moved(self, place: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of the layer at this place of `layers`, all of it edited."""
        raise NotImplementedError

    @property
    def layers(self) -> Set[int]:
        """The layers whose output it edits."""
        return self._places.keys()

    def edit(self, forward: Forward, index: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of layer `index`, edited where it is selected."""
        moved = self.moved(self._places[index], hidden)
        return torch.where(self._selected[..., None].to(hidden.device), moved, hidden)

    def finish(self, forward: Forward) -> None:
        """Nothing to check."""

    def generated(self, prompt: PromptTokens, kept: Callable[[], Sequence[int]]) -> None:
        """Nothing to count."""

    def check_cache(self, cache: Any) -> None:
        """No cache is used."""

    def mark_cache(self, cache: Any) -> None:
        """No cache is used."""


class ShiftEditor(TrainingEditor):
    """Adds `shifts [rows, layers, d]`, and rounds as an edit of the same shifts does."""

    def __init__(self, layers: Sequence[int], shifts: Tensor, selected: Tensor) -> None:
        super().__init__(layers, selected)
        self._shifts = shifts

    def moved(self, place: int, hidden: Tensor) -> Tensor:
        """The output, shifted."""
        wide = wide_dtype(hidden.dtype)
        shift = self._shifts[:, place, None].to(hidden.device, wide)
        return rounded(hidden.to(wide) + shift, hidden.dtype)


@contextmanager
def editing(stream: ResidualStream, editor: Editor) -> Iterator[None]:
    """Let the editor act on forward passes of this context."""
    with stream.hooks.editing(editor):
        yield
