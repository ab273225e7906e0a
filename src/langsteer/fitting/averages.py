"""Latents of a batch become one latent for each text, layer by layer, as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from langsteer.fitting.rows import Batch


@dataclass(frozen=True, slots=True)
class Read:
    """The latents of a batch at one layer: `latents [rows, columns, d]` float32, their `norms
    [rows, columns]` with the `median` over content; which tokens were `kept` in the averages; their
    `means [rows, d]`."""

    layer: int
    latents: Tensor
    norms: Tensor
    median: Tensor
    kept: Tensor
    means: Tensor


class Listener(Protocol):
    """Something that takes more of a batch than the averages.

    A batch may fail for want of memory and be read again in parts, so what was read counts only
    from `commit` on.
    """

    def read(self, read: Read) -> None:
        """Take a layer."""

    def commit(self) -> None:
        """The batch was read to its end."""


class Averages:
    """Averages the content tokens of each row, but for those with massive norms.

    Per layer: one pass for the norms, one batched product for the sums, and nothing that waits for
    the device. Listeners are told.
    """

    def __init__(self, batch: Batch, massive: float, listeners: Sequence[Listener]) -> None:
        self.means: dict[int, Tensor] = {}
        self._batch, self._factor, self._listeners = batch, massive, listeners
        self._massive = torch.zeros_like(batch.content)

    @property
    def massive(self) -> Tensor:
        """How many tokens of each row [rows] were massive at one layer or more."""
        return self._massive.sum(1)

    def read(self, layer: int, hidden: Tensor) -> None:
        """Take the latents [rows, columns, d] of a layer."""
        latents, content = hidden.float(), self._batch.content.to(hidden.device)
        norms = torch.linalg.vector_norm(latents, dim=-1)
        median = norms.flatten()[self._batch.places.to(hidden.device)].median()
        usual = content & (norms <= self._factor * median)
        counts = usual.sum(1, keepdim=True)
        kept = torch.where(counts > 0, usual, content)
        total = torch.bmm(kept[:, None].float(), latents)[:, 0]
        self.means[layer] = total / kept.sum(1, keepdim=True)
        self._massive |= (content & ~kept).to(self._massive.device)
        for listener in self._listeners:
            listener.read(Read(layer, latents, norms, median, kept, self.means[layer]))

    def commit(self) -> None:
        """The batch was read to its end."""
        for listener in self._listeners:
            listener.commit()


class Last:
    """Takes the last content token of each row."""

    def __init__(self, batch: Batch) -> None:
        self.means: dict[int, Tensor] = {}
        content = batch.content
        self.massive = torch.zeros(len(content), dtype=torch.long, device=content.device)
        self._last = (content * torch.arange(content.shape[1], device=content.device)).argmax(1)

    def read(self, layer: int, hidden: Tensor) -> None:
        """Take the latents [rows, columns, d] of a layer."""
        rows = torch.arange(len(hidden), device=hidden.device)
        self.means[layer] = hidden[rows, self._last.to(hidden.device)].float()

    def commit(self) -> None:
        """Nobody else listens."""
