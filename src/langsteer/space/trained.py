"""Vectors that were trained by teacher forcing, and the shifts of pairs that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from langsteer.edits.maps import Map, Shift
from langsteer.errors import SpaceError
from langsteer.space.point import OperatingPoint

TRAINED = "trained"
"""What stands where an estimator is named."""
Shape = Literal["languages", "roles", "targets", "pairs"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
Key = tuple[str, ...]
"""A language, a language and its role, or a source and a target."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Vectors at `layers`, trained together in the positions of `scope` at strength 1.

    `vectors` maps keys to `[len(layers), d]` float32; `parts` says of which vectors the shift of a
    pair is the sum. `record` says where it came from: texts, steps, losses, seed.
    """

    layers: tuple[int, ...]
    scope: str
    shape: Shape
    vectors: Mapping[Key, Tensor]
    record: Mapping[str, Any] = field(default_factory=dict)

    def maps(self, source: str | None, target: str) -> dict[int, Map]:
        """Layer → shift. Raises `SpaceError` for a pair that was not trained."""
        found = parts(self.shape, source, target)
        rows = torch.stack([sign * self._of(key) for key, sign in found]).sum(0)
        return {layer: Shift(row) for layer, row in zip(self.layers, rows, strict=True)}

    def covers(self, source: str, target: str) -> bool:
        """Whether there are vectors for this pair."""
        return all(key in self.vectors for key, _ in parts(self.shape, source, target))

    @property
    def point(self) -> OperatingPoint:
        """Where these vectors are to be used."""
        scores = {
            name: float(self.record[name])
            for name in ("loss_before", "loss_after")
            if name in self.record
        }
        return OperatingPoint(
            self.layers, 1.0, self.scope, TRAINED, scores, split="held-out texts of training"
        )

    def check(self, layers: tuple[int, ...]) -> None:
        """Raise `SpaceError` unless an edit is wanted at exactly the layers of these vectors."""
        if tuple(sorted(layers)) != self.layers:
            raise SpaceError(
                f"The trained vectors belong to the layers {_listed(self.layers)} together, not to "
                f"{_listed(layers)}. Leave out --layer, or train at the layers that you want: "
                f"`langsteer train … --layer {','.join(map(str, layers))}`."
            )

    def _of(self, key: Key) -> Tensor:
        if key not in self.vectors:
            known = ", ".join(map(self._said, self.vectors))
            raise SpaceError(
                f"There are no trained vectors for {self._said(key)}, only for {known}. Train them "
                "with `langsteer train`, or use another estimator."
            )
        return self.vectors[key]

    def _said(self, key: Key) -> str:
        return " as a ".join(key) if self.shape == "roles" else " to ".join(key)


def parts(shape: Shape, source: str | None, target: str) -> list[tuple[Key, int]]:
    """Of which vectors, with which sign, the shift of a pair is the sum.

    `languages`: each language has one, and it is the target's less the source's; `roles`: each has
    one as a source and one as a target; `targets`: the target's alone; `pairs`: each pair has one.
    A source of None, where the shape can do without, leaves its part out.
    """
    if shape == "pairs":
        return [((source or "", target), 1)]
    if shape == "roles":
        both: list[tuple[Key, int]] = [((target, "target"), 1)]
        return both if source is None else [*both, ((source, "source"), 1)]
    one: list[tuple[Key, int]] = [((target,), 1)]
    return one if shape == "targets" or source is None else [*one, ((source,), -1)]


def untrained() -> SpaceError:
    """The error for a space without trained vectors."""
    return SpaceError(
        "This space has no trained vectors. Train them with `langsteer train MODEL CORPUS --space "
        "FILE`, or use another estimator, such as difference."
    )


def name_of(key: Key) -> str:
    """What the tensor of a key is called in a file, such as `trained.de` or `trained.en.de`."""
    return ".".join([TRAINED, *key])


def _listed(layers: tuple[int, ...]) -> str:
    return ", ".join(map(str, layers))
