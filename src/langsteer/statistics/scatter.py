"""Second moments within languages, where an estimator asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from langsteer.errors import SpaceError

SecondMoments = Literal["none", "pooled", "language"]
Observation = Literal["texts", "tokens"]
POOLED = ""
GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Keep:
    """What statistics keep beyond means: second moments and a sample of text latents.

    `second_moments`: 'pooled' is one `[d, d]` scatter per layer, 'language' one per language.
    `observation`: whose second moments: those of the means of texts, or those of single tokens,
    which an edit of every token meets. `sample`: at most so many text latents per language. All at
    `layers` only (None: all of them).
    `limit`: bytes of memory above which statistics are refused.
    """

    second_moments: SecondMoments = "none"
    sample: int = 0
    layers: tuple[int, ...] | None = None
    limit: int = 4 * GIBIBYTE
    observation: Observation = "texts"

    def at(self, layers: Sequence[int]) -> tuple[int, ...]:
        """Those of `layers` at which more than means is kept."""
        wanted = set(layers if self.layers is None else self.layers)
        if missing := wanted - set(layers):
            raise SpaceError(
                f"Second moments are asked for at layer {min(missing)}, which is not among the "
                f"collected layers {list(layers)}. Collect that layer too, or leave it out."
            )
        return tuple(layer for layer in layers if layer in wanted)

    def bytes(self, layers: Sequence[int], width: int, languages: int) -> int:
        """Bytes of memory that statistics with this need, means included."""
        copies = {"none": 0, "pooled": 1, "language": languages}[self.second_moments]
        rich = len(self.at(layers)) * (
            copies * width * width * 8 + languages * self.sample * width * 4
        )
        return rich + len(layers) * width * (6 * languages + 2) * 8

    def check(self, layers: Sequence[int], width: int, languages: int) -> None:
        """Raise `SpaceError` with the figure when the memory needed is over the limit."""
        need = self.bytes(layers, width, languages)
        if need > self.limit:
            raise SpaceError(
                f"Statistics of {len(layers)} layers of width {width} in {languages} languages "
                f"with second_moments={self.second_moments!r} and sample={self.sample} need "
                f"{need / GIBIBYTE:.1f} GiB, over the limit of {self.limit / GIBIBYTE:.1f} GiB. "
                "Ask for fewer layers or for second_moments='pooled', or raise the limit "
                "(--memory on the command line)."
            )


@dataclass(slots=True)
class Scatter:
    """Weighted scatter matrices about the language means.

    `sums` maps a language (or `POOLED`) to `[len(at), d, d]`; `at` are positions in the layers.
    `observation`: whether the rows are means of texts or single tokens.
    """

    mode: SecondMoments
    at: tuple[int, ...]
    sums: dict[str, Tensor]
    observation: Observation = "texts"

    @classmethod
    def empty(
        cls,
        mode: SecondMoments,
        at: Sequence[int],
        width: int,
        languages: Sequence[str],
        observation: Observation = "texts",
        device: torch.device | None = None,
    ) -> Scatter:
        """The scatter of no text, on `device`."""
        keys = {"none": (), "pooled": (POOLED,), "language": tuple(languages)}[mode]
        shape = (len(at), width, width)
        zero = {key: torch.zeros(shape, dtype=torch.float64, device=device) for key in keys}
        return cls(mode, tuple(at), zero, observation)

    def add(self, language: str, rows: Tensor, scale: Tensor) -> None:
        """Add Σ scale · row rowᵀ per layer: `rows [n, layers, d]`, `scale [n]`."""
        if self.mode == "none":
            return
        into = self._of(language)
        for i, layer in enumerate(self.at):
            x = rows[:, layer]
            into[i].addmm_((x * scale.to(x.device)[:, None]).T, x)

    def add_within(self, language: str, layer: int, matrix: Tensor) -> None:
        """Add `matrix [d, d]`, scatter of tokens about their texts' means, at position `layer`."""
        into = self._of(language)[self.at.index(layer)]
        into += matrix.to(into)

    def to(self, device: torch.device) -> Scatter:
        """The same, on a device."""
        return replace(self, sums={key: one.to(device) for key, one in self.sums.items()})

    def merge(self, other: Scatter) -> Scatter:
        """The sum of both, without the term for the distance of their means."""
        mine = (self.mode, self.at, self.observation)
        if mine != (other.mode, other.at, other.observation):
            raise ValueError("Statistics with different second moments cannot be merged.")
        keys = {**self.sums, **other.sums}
        return Scatter(
            self.mode,
            self.at,
            {key: sum_of(self.sums.get(key), other.sums.get(key)) for key in keys},
            self.observation,
        )

    def _of(self, language: str) -> Tensor:
        key = POOLED if self.mode == "pooled" else language
        if self.sums[key].dtype != torch.float64:
            self.sums[key] = self.sums[key].double()
        return self.sums[key]


def sum_of(a: Tensor | None, b: Tensor | None) -> Tensor:
    """A new float64 tensor: the sum of those that are there."""
    there = [part.double() for part in (a, b) if part is not None]
    return torch.stack(there).sum(0) if len(there) > 1 else there[0].clone()
