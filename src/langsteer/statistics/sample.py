"""A bounded sample of text latents, for estimators that moments cannot serve."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.errors import SpaceError


@dataclass(frozen=True, slots=True)
class Part:
    """The sample of one language: ascending `keys`, `latents [n, layers, d]`, `weights [n]`."""

    keys: tuple[int, ...]
    latents: Tensor
    weights: Tensor


@dataclass(slots=True)
class Sample:
    """At most `size` texts per language: those whose concept has the smallest hash.

    Which texts are kept depends on the texts alone, not on their order, so samples merge like
    sums do; and as the hash is of the concept, translations are kept together. Text latents of
    `size` concepts in K languages take O(K·size·d), where cross moments of all pairs of
    languages would take O(K²·d²), and allow an exact leave-one-out.
    """

    size: int
    at: tuple[int, ...]
    parts: dict[str, Part]

    @classmethod
    def empty(cls, size: int, at: Sequence[int], width: int, languages: Sequence[str]) -> Sample:
        """The sample of no text."""
        none = Part((), torch.zeros(0, len(at), width), torch.zeros(0))
        return cls(size, tuple(at), dict.fromkeys(languages, none) if size else {})

    def add(
        self, language: str, means: Tensor, weights: Tensor, concepts: Sequence[str | None]
    ) -> None:
        """Consider texts with `means [n, layers, d]` of all layers."""
        if not self.size:
            return
        latents = means[:, list(self.at)].to("cpu", torch.float32)
        keys = [
            key_of(concept.encode() if concept is not None else row.numpy().tobytes())
            for concept, row in zip(concepts, latents, strict=True)
        ]
        new = Part(tuple(keys), latents, weights.to("cpu", torch.float32))
        self.parts[language] = self._fewest(self.parts[language], new)

    def merge(self, other: Sample) -> Sample:
        """The sample that one pass over the texts of both would have kept."""
        if (self.size, self.at) != (other.size, other.at):
            raise ValueError("Statistics with different samples cannot be merged.")
        parts = dict(self.parts)
        for language, part in other.parts.items():
            mine = parts.get(language)
            parts[language] = part if mine is None else self._fewest(mine, part)
        return Sample(self.size, self.at, parts)

    def require(self, layer: int, layers: Sequence[int]) -> None:
        """Raise `SpaceError` when no latents were kept at `layer` of `layers`."""
        if not self.size:
            raise SpaceError(
                "A sample of text latents is needed, but none was kept. Fit again with "
                "sample=256 or more."
            )
        kept = [layers[i] for i in self.at]
        if layer in layers and layer not in kept:
            raise SpaceError(
                f"Text latents were kept at the layers {kept} only, not at {layer}. Choose one of "
                "those, or fit again with that layer."
            )

    def latents(self, language: str, layer: int) -> tuple[Tensor, Tensor]:
        """Text latents `[n, d]` and weights `[n]` at position `layer`, in float64."""
        part = self.parts[language]
        return part.latents[:, self.at.index(layer)].double(), part.weights.double()

    def pairs(self, source: str, target: str, layer: int) -> tuple[Tensor, Tensor]:
        """Latents `[n, d]` of both languages at position `layer`, row by row of one concept."""
        a, b = self.parts[source], self.parts[target]
        first = {key: i for i, key in reversed(list(enumerate(a.keys)))}
        second = {key: i for i, key in reversed(list(enumerate(b.keys)))}
        common = [key for key in first if key in second]
        i = self.at.index(layer)
        x = a.latents[[first[key] for key in common], i]
        y = b.latents[[second[key] for key in common], i]
        return x.double(), y.double()

    def _fewest(self, a: Part, b: Part) -> Part:
        keys = a.keys + b.keys
        order = sorted(range(len(keys)), key=keys.__getitem__)[: self.size]
        return Part(
            tuple(keys[i] for i in order),
            torch.cat([a.latents, b.latents])[order],
            torch.cat([a.weights, b.weights])[order],
        )


def key_of(data: bytes) -> int:
    """A number below 2⁶³ that depends on nothing but the bytes."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1
