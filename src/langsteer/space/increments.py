"""Shifts at several layers that belong together: each adds what has not yet arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from langsteer.edits.maps import Map, Shift
from langsteer.errors import SpaceError


@dataclass(frozen=True, slots=True)
class Increments:
    """What edits at exactly `layers` are made of, for ordered pairs of languages.

    `shifts` maps (source, target) to `[len(layers), d]`, in the order of the ascending `layers`.
    They were fitted with the edit in force at the positions of `scope`, at strength 1.
    """

    layers: tuple[int, ...]
    scope: str
    shifts: Mapping[tuple[str, str], Tensor] = field(default_factory=dict)

    def maps(self, source: str, target: str) -> dict[int, Map]:
        """Layer → shift; `KeyError` for a pair that was not fitted."""
        rows = self.shifts[source, target]
        return {layer: Shift(row) for layer, row in zip(self.layers, rows, strict=True)}

    def joined(self, other: Increments) -> Increments:
        """The same with the pairs of the other, which must have the same layers and scope."""
        return Increments(self.layers, self.scope, {**self.shifts, **other.shifts})

    def name(self, pair: tuple[str, str]) -> str:
        """What the tensor of a pair is called in a file, such as `increments.3-4-5.all.en.de`."""
        return ".".join(["increments", "-".join(map(str, self.layers)), self.scope, *pair])


def chosen(
    found: Sequence[Increments], layers: Sequence[int], scope: str, source: str, target: str
) -> dict[int, Map]:
    """The maps of an edit at several layers: increments of exactly these layers.

    Those that were fitted for the very scope come first. Raises `SpaceError` where there are none.
    """
    wanted = tuple(sorted(layers))
    fitting = [one for one in found if one.layers == wanted and (source, target) in one.shifts]
    if fitting:
        return min(fitting, key=lambda one: one.scope != scope).maps(source, target)
    listed = ",".join(map(str, wanted))
    raise SpaceError(
        f"An edit at several layers needs increments, and this space has none at the layers "
        f"{listed} from {source} to {target}: plain differences overshoot there, because each "
        f"counts again what the layers before it already sent on. Use one layer, or fit the "
        f"increments: `langsteer fit … --increments {listed} --from {source} --to {target}` "
        "(in Python, `space.with_increments`)."
    )


def refused(estimator: str, layers: Sequence[int]) -> SpaceError:
    """The error for several layers with an estimator that has no increments."""
    listed = ", ".join(map(str, layers))
    return SpaceError(
        f"The estimator {estimator!r} works at one layer, not at the layers {listed} together: "
        "maps at several layers overshoot, and increments are made of differences of means. Use "
        "one layer, or the estimator difference with `langsteer fit --increments`."
    )


def stacked(maps: Mapping[int, Shift]) -> Tensor:
    """`[layers, d]` float32: the vectors of shifts, by ascending layer."""
    return torch.stack([maps[layer].vector for layer in sorted(maps)]).float()
