"""The edits of a batch or of a server as one table, which every engine and exporter reads.

For each layer a table holds what its rows do: vectors to add as rows, low-rank maps as stacked
factors, and the rest by name. What changes from token to token is no part of it: whether a scope
selects the token, whether a guard acts, and how strong the edit is. A token has a row and a
strength; row 0 does nothing.

Tables are made in float32, and are read in float64 by models in that dtype. An engine multiplies
what a row adds by the strength, adds the latent and rounds the sum once, as `Map` does: see
`edits.maps.base`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.maps.base import Map, Terms, wide_dtype
from langsteer.edits.maps.registry import name_of
from langsteer.errors import SteeringError


@dataclass(frozen=True, eq=False)
class Group:
    """A row whose map is applied by itself: no vector, and no low-rank change, says it."""

    name: str
    """The kind of the map."""
    row: int
    map_: Map
    restore_norm: bool


@dataclass(frozen=True, eq=False)
class LayerTable:
    """What each row does at one layer.

    A row `r` of `added` changes a latent `z` by
    `shifts[r] + left[:, owner == r] (right[:, owner == r]ᵀ z)`, times the strength. The products
    for all rows together are two: `((z @ right) * (owner == row_of_z)) @ left.T`.
    """

    shifts: Tensor
    """[R + 1, d]; row 0 is zero, and so are rows that add nothing here."""
    left: Tensor
    """[d, K]: the columns that are written, of all rows side by side."""
    right: Tensor
    """[d, K]: the columns that are read."""
    owner: Tensor
    """[K] (int64): the row that a column belongs to."""
    added: tuple[bool, ...]
    """For each of the R + 1 rows, whether `shifts`, `left` and `right` say what it does."""
    groups: tuple[Group, ...]
    """The other rows."""

    @property
    def edited(self) -> tuple[bool, ...]:
        """For each of the R + 1 rows, whether it does anything at this layer."""
        others = {group.row for group in self.groups}
        return tuple(added or row in others for row, added in enumerate(self.added))

    def to(self, device: torch.device, dtype: torch.dtype) -> LayerTable:
        """The same on a device, in the dtype in which latents of `dtype` are edited."""
        wide = wide_dtype(dtype)
        return LayerTable(
            self.shifts.to(device, wide),
            self.left.to(device, wide),
            self.right.to(device, wide),
            self.owner.to(device),
            self.added,
            tuple(
                Group(group.name, group.row, group.map_.to(device), group.restore_norm)
                for group in self.groups
            ),
        )


@dataclass(frozen=True)
class Varying:
    """Why an edit is not the same constant at every token."""

    why: Literal["guard", "scope", "norm", "map"]
    layer: int | None = None
    """Where its map depends on the latent."""
    name: str = ""
    """The kind of that map."""


@dataclass(frozen=True, eq=False)
class EditTable:
    """What some edits do, each once, and which row of the table each given edit is."""

    layers: Mapping[int, LayerTable]
    rows: tuple[int, ...]
    """For each given edit its row, from 1 on; 0 for None and for edits that change nothing."""
    strengths: tuple[float, ...]
    """For each given edit its strength; 0 for None."""
    size: int
    """The number R of rows that do something."""
    _placed: dict[object, LayerTable] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, edits: Sequence[Edit | None]) -> EditTable:
        """The table of these edits. Edits that do the same share a row, whatever their strength.

        Raises:
            SteeringError: the maps are for latents of several widths.
        """
        known = _Distinct()
        rows = tuple(0 if edit is None or edit.idle else known.row(edit) for edit in edits)
        strengths = tuple(0.0 if edit is None else edit.strength for edit in edits)
        at = sorted({layer for edit in known.edits for layer in edit.maps})
        layers = {layer: _layer(known.edits, layer) for layer in at}
        return cls(layers, rows, strengths, len(known.edits))

    def to(self, device: torch.device, dtype: torch.dtype) -> Mapping[int, LayerTable]:
        """The layers on a device, for latents of a dtype; kept, so that asking again is free."""
        return {at: self.place(at, device, dtype) for at in self.layers}

    def place(self, layer: int, device: torch.device, dtype: torch.dtype) -> LayerTable:
        """One of the layers on the device where its part of the model is; kept likewise."""
        key = (layer, device, wide_dtype(dtype))
        if key not in self._placed:
            self._placed[key] = self.layers[layer].to(device, dtype)
        return self._placed[key]

    @staticmethod
    def constant(edit: Edit) -> dict[int, Tensor] | Varying:
        """Layer → `[d]` float32, what the edit adds to every token, strength folded in.

        Or why it isn't the same at every token. A leading beginning-of-sequence token that the
        scope spares is not looked at: what can be said by a constant alone reaches it too.
        """
        if edit.guard is not None:
            return Varying("guard")
        if not edit.scope.everywhere:
            return Varying("scope")
        if edit.restore_norm:
            return Varying("norm")
        found = {}
        for layer, map_ in sorted(edit.maps.items()):
            terms = map_.terms()
            if terms is None or terms.left.shape[1]:
                return Varying("map", layer, name_of(map_))
            found[layer] = (edit.strength * terms.bias.float()).cpu()
        return found


class _Distinct:
    """Edits that do different things, in the order in which they came."""

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self._alike: dict[object, list[int]] = {}

    def row(self, edit: Edit) -> int:
        """The row of this edit, a new one if nothing that is known does the same."""
        first = min(edit.maps)
        look = (
            edit.restore_norm,
            *((layer, type(map_)) for layer, map_ in sorted(edit.maps.items())),
            _glance(edit.maps[first]),
        )
        mine = self._alike.setdefault(look, [])
        for row in mine:
            known = self.edits[row - 1]
            if all(map_.same(known.maps[layer]) for layer, map_ in edit.maps.items()):
                return row
        self.edits.append(edit)
        mine.append(len(self.edits))
        return len(self.edits)


def _glance(map_: Map) -> tuple[float, ...]:
    """A few of the numbers of a map: those that differ here need no comparison."""
    tensors = [value for value in vars(map_).values() if isinstance(value, Tensor)]
    return tuple(number for value in tensors for number in value.flatten()[:4].tolist())


def _layer(edits: Sequence[Edit], layer: int) -> LayerTable:
    """The table of one layer; edit number i is row i + 1."""
    terms: dict[int, Terms] = {}
    groups = []
    widths = set()
    for row, edit in enumerate(edits, 1):
        map_ = edit.maps.get(layer)
        if map_ is None:
            continue
        widths.add(map_.width)
        found = None if edit.restore_norm else map_.terms()
        if found is None:
            groups.append(Group(name_of(map_), row, map_, edit.restore_norm))
        else:
            terms[row] = found
    if len(widths) != 1:
        raise SteeringError(
            f"the edits of one table must be for one model, but at layer {layer} they are for "
            f"latents of widths {', '.join(map(str, sorted(widths)))}"
        )
    return _stacked(terms, groups, len(edits), widths.pop())


def _stacked(
    terms: Mapping[int, Terms], groups: Sequence[Group], rows: int, width: int
) -> LayerTable:
    """Vectors as rows and factors side by side, in float32 on the CPU."""
    shifts = torch.zeros(rows + 1, width)
    left, right, owner = [], [], []
    for row, (wrote, read, bias) in terms.items():
        shifts[row] = bias
        left.append(wrote.float().cpu())
        right.append(read.float().cpu())
        owner += [row] * wrote.shape[1]
    empty = torch.zeros(width, 0)
    return LayerTable(
        shifts,
        torch.cat([empty, *left], 1).contiguous(),
        torch.cat([empty, *right], 1).contiguous(),
        torch.tensor(owner, dtype=torch.int64),
        tuple(row in terms for row in range(rows + 1)),
        tuple(groups),
    )
