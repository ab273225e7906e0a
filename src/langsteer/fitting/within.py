"""Second moments of single tokens: their scatter about the mean of their text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from langsteer.fitting.averages import Read
from langsteer.statistics.devices import sent
from langsteer.statistics.scatter import POOLED, Scatter


class Within:
    """Adds the scatter of a batch, with rows in `languages`, where `scatter` keeps it.

    `layers` are those that are read, in the order of the scatter's positions; `device` is that of
    the model.
    """

    def __init__(
        self,
        scatter: Scatter,
        layers: Sequence[int],
        languages: Sequence[str],
        device: torch.device,
    ) -> None:
        self._scatter, self._layers = scatter, list(layers)
        self._held: list[tuple[str, int, Tensor]] = []
        rows: dict[str, list[int]] = {}
        for row, language in enumerate(languages):
            rows.setdefault(POOLED if scatter.mode == "pooled" else language, []).append(row)
        self._rows = {key: sent(torch.tensor(chosen), device) for key, chosen in rows.items()}

    def read(self, read: Read) -> None:
        """Take a layer."""
        position = self._layers.index(read.layer)
        if position not in self._scatter.at:
            return
        centred = (read.latents - read.means[:, None]) * read.kept[..., None]
        for key, chosen in self._rows.items():
            alike = len(self._rows) == 1
            part = (centred if alike else centred[chosen.to(centred.device)]).flatten(0, 1)
            self._held.append((key, position, part.T @ part))

    def commit(self) -> None:
        """The batch was read to its end."""
        for key, position, product in self._held:
            self._scatter.add_within(key, position, product)
