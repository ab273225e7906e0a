"""An edit worked out for one batch of prompts: which rows and columns change, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.known import KnownEdits
from langsteer.edits.maps.base import rounded, wide_dtype
from langsteer.edits.table import EditTable, Group, LayerTable
from langsteer.engines.transformers.guarded import GuardedRows, guarded_rows
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.engines.transformers.selection import ScopedColumns, Selection
from langsteer.errors import SteeringError

_ACTS = "acts"


@dataclass(frozen=True)
class _Factors:
    """The low-rank maps of all rows: columns `left, right [d, K]`, of which each row has some.

    `own` [rows or 1, 1, K] is 1 in a row's own columns and 0 in the others; `strength` [rows or 1,
    1, 1].
    """

    left: Tensor
    right: Tensor
    own: Tensor
    strength: Tensor


@dataclass(frozen=True)
class _Single:
    """The rows [n] (None for all) that one map of another kind edits."""

    rows: Tensor | None
    group: Group
    strength: float


@dataclass(frozen=True)
class _Changes:
    """What one layer does, on one device and for latents of one dtype.

    `delta` [rows or 1, 1, d] is what rows of the table add, or where there are `factors`, what they
    add at strength 1 beside them; `added` [rows, 1, 1] tells which rows those are, None for all.
    `singles` are the other maps.
    """

    rows: tuple[bool, ...]
    delta: Tensor | None
    factors: _Factors | None
    added: Tensor | None
    singles: tuple[_Single, ...]


class BatchEdit:
    """The edits of one batch: `edits` per prompt, each prompt in `copies` rows of the forward."""

    def __init__(
        self,
        prompt: PromptTokens,
        edits: Sequence[Edit | None],
        copies: int,
        bos: frozenset[int],
        own: Tensor | None = None,
        known: KnownEdits | None = None,
    ) -> None:
        self._table = EditTable.of(edits) if known is None else known.table(edits)
        self._rows = [row for row in self._table.rows for _ in range(copies)]
        self._strengths = [one for one in self._table.strengths for _ in range(copies)]
        self._columns = ScopedColumns(prompt, edits, copies, bos)
        self._guarded = _guarded_rows(prompt, edits, copies, bos, own)
        self._changes: dict[object, _Changes] = {}

    def apply(self, forward: Forward, layer: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of a layer, edited where the scopes say."""
        changes = self._at(layer, hidden)
        selection = self._select(forward, changes.rows, hidden.device)
        if self._guarded:
            selection = self._while_guarded(forward, layer, hidden, selection)
        return hidden if selection is False else _changed(changes, selection, hidden)

    @property
    def guarded(self) -> bool:
        """Whether any edit has a guard."""
        return bool(self._guarded)

    def finish(self, kept: Sequence[int] | None = None) -> None:
        """Count what the guards did; `kept` as in `GuardedRows.finish`."""
        for rows in self._every_guarded():
            rows.finish(kept)

    def steady(self, row: int) -> bool | None:
        """Whether all tokens of a row's answer are edited alike, or none; None if that changes."""
        if any(rows.guards[row] is not None for rows in self._every_guarded()):
            return None
        return self._columns.steady(row)

    def alone(self, row: int, prompt: PromptTokens, edit: Edit, bos: frozenset[int]) -> BatchEdit:
        """What one row goes on with by itself: `prompt` is its own; guards remember what they read.

        Only where each prompt runs in one row.
        """
        one = BatchEdit(prompt, [edit], 1, bos)
        one._guarded = {
            layer: [rows.alone(row) for rows in mine if rows.guards[row] is not None]
            for layer, mine in self._guarded.items()
        }
        return one

    def _every_guarded(self) -> Iterator[GuardedRows]:
        return (rows for mine in self._guarded.values() for rows in mine)

    def _while_guarded(
        self, forward: Forward, layer: int, hidden: Tensor, selection: Selection
    ) -> Selection:
        """The selection without the rows that are in their target language already."""
        acts: Tensor | None = forward.memo.get(_ACTS)
        for rows in self._guarded.get(layer, ()):
            mine = rows.acts(forward, hidden)
            rows.note(forward, selection)
            if mine is None:
                self._refuse_chunk(forward, rows)
                continue
            acts = mine if acts is None else acts.to(hidden.device) & mine
            forward.memo[_ACTS] = acts
        if acts is None or selection is False:
            return selection
        where = acts.to(hidden.device)[..., None]
        return where if selection is True else where & selection

    def _refuse_chunk(self, forward: Forward, rows: GuardedRows) -> None:
        """A guard decides at the end of the prompt: nothing before it may be edited sooner."""
        chosen = self._columns.any_in_prompt(forward)
        if any(edited and guard for edited, guard in zip(chosen, rows.guards, strict=True)):
            raise SteeringError(
                "the prompt is read in several passes, and a guard decides at its end, after the "
                "first of them was to be edited; use a scope that begins at the prompt's end "
                "(generated, prompt_last), or read the prompt in one pass"
            )

    def _select(self, forward: Forward, rows: tuple[bool, ...], device: torch.device) -> Selection:
        return self._columns.select(forward, rows, device)

    def _at(self, layer: int, hidden: Tensor) -> _Changes:
        key = (layer, hidden.device, hidden.dtype)
        if key not in self._changes:
            if layer in self._table.layers:
                table = self._table.place(layer, hidden.device, hidden.dtype)
                self._changes[key] = _changes(table, self._rows, self._strengths, hidden)
            else:
                self._changes[key] = _Changes((False,) * len(self._rows), None, None, None, ())
        return self._changes[key]


class SteadyEdits:
    """Edits that act at every position of their row: one, or None, for each row of a batch."""

    def __init__(self, edits: Sequence[Edit | None], known: KnownEdits) -> None:
        self._table = known.table(edits)
        self.layers = frozenset(self._table.layers)
        self._changes: dict[object, _Changes] = {}

    def apply(self, layer: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of a layer, edited."""
        if layer not in self.layers:
            return hidden
        key = (layer, hidden.device, hidden.dtype)
        if key not in self._changes:
            table = self._table.place(layer, hidden.device, hidden.dtype)
            self._changes[key] = _changes(table, self._table.rows, self._table.strengths, hidden)
        return _changed(self._changes[key], True, hidden)


def _guarded_rows(
    prompt: PromptTokens,
    edits: Sequence[Edit | None],
    copies: int,
    bos: frozenset[int],
    own: Tensor | None,
) -> dict[int, list[GuardedRows]]:
    """What follows the rows for the guards among the edits, by layer."""
    guards = [None if edit is None else edit.guard for edit in edits]
    if copies > 1 and any(guards):
        raise SteeringError(
            f"a guard follows each row by itself, but each prompt runs in {copies} rows, which "
            "beams exchange; generate without beams and returned sequences, or without a guard"
        )
    return guarded_rows(prompt, guards, bos, own)


def _changes(
    table: LayerTable, rows: Sequence[int], strengths: Sequence[float], hidden: Tensor
) -> _Changes:
    """What the rows of a batch do at a layer, by their rows of the table and strengths."""
    edited = table.edited
    added = [table.added[row] for row in rows]
    delta = factors = None
    if any(added):
        delta, factors = _added(table, rows, strengths)
        _require_range(delta, hidden.dtype)
    singles = []
    for group in table.groups:
        mine = [at for at, row in enumerate(rows) if row == group.row]
        for strength in dict.fromkeys(strengths[at] for at in mine):
            some = [at for at in mine if strengths[at] == strength]
            index = None if len(some) == len(rows) else torch.tensor(some, device=hidden.device)
            singles.append(_Single(index, group, strength))
    return _Changes(
        tuple(edited[row] for row in rows),
        delta,
        factors,
        None if all(added) else torch.tensor(added, device=hidden.device)[:, None, None],
        tuple(singles),
    )


def _added(
    table: LayerTable, rows: Sequence[int], strengths: Sequence[float]
) -> tuple[Tensor, _Factors | None]:
    """What each row adds [rows or 1, 1, d], and the low-rank maps if there are any."""
    alike = len(set(zip(rows, strengths, strict=True))) == 1
    kept = slice(0, 1) if alike else slice(None)
    shifts = table.shifts
    row = torch.tensor(rows[kept], device=shifts.device)
    strength = torch.tensor(strengths[kept], dtype=shifts.dtype, device=shifts.device)
    strength, shift = strength[:, None, None], shifts[row][:, None]
    if not len(table.owner):
        return strength * shift, None
    own = (table.owner == row[:, None]).to(shifts.dtype)[:, None]
    return shift, _Factors(table.left, table.right, own, strength)


def _changed(changes: _Changes, selection: Selection, hidden: Tensor) -> Tensor:
    """Latents [rows, length, d] of a layer, changed where they are selected."""
    edited = hidden
    if changes.delta is not None:
        moved = _add(changes.delta, changes.factors, hidden)
        where = _both(selection, changes.added)
        edited = moved if where is None else torch.where(where, moved, hidden)
    for single in changes.singles:
        edited = _apply_single(single, selection, hidden, edited)
    return edited


def _add(delta: Tensor, factors: _Factors | None, hidden: Tensor) -> Tensor:
    """The latents of all rows with what their rows of the table add, rounded once as by `Map`."""
    if factors is None:
        return _sum(hidden, delta)
    wide = hidden.to(wide_dtype(hidden.dtype))
    thin = (wide @ factors.right) * factors.own
    change = thin @ factors.left.T + delta
    return rounded(wide + factors.strength * change, hidden.dtype)


def _sum(hidden: Tensor, delta: Tensor) -> Tensor:
    """Latents with a wide delta, rounded once: by one kernel where no gradient is to follow.

    A step of decoding on a GPU is as long as the kernels that are launched for it.
    """
    followed = torch.is_grad_enabled() and (hidden.requires_grad or delta.requires_grad)
    if hidden.dtype != torch.bfloat16 or followed or type(hidden) is not Tensor:
        return rounded(hidden + delta, hidden.dtype)
    return torch.add(hidden, delta, out=torch.empty_like(hidden))


def _require_range(delta: Tensor, dtype: torch.dtype) -> None:
    """Raise SteeringError if what is to be added is not a number of the model's dtype."""
    if not bool(delta.to(dtype).isfinite().all()):
        raise SteeringError(
            f"a shift is not finite in {dtype}; lower the strength, or run the model in "
            "bfloat16 or float32"
        )


def _apply_single(single: _Single, selection: Selection, before: Tensor, edited: Tensor) -> Tensor:
    """Apply a map to its rows [n, length, d] where they are selected."""
    rows, group = single.rows, single.group
    latents = before if rows is None else before[rows]
    moved = group.map_(latents, single.strength)
    if group.restore_norm:
        moved = _restore(latents, moved)
    if isinstance(selection, Tensor):
        moved = torch.where(selection if rows is None else selection[rows], moved, latents)
    return moved if rows is None else edited.index_copy(0, rows, moved)


def _restore(before: Tensor, after: Tensor) -> Tensor:
    """`after` with the norms of `before`, computed in float32."""
    wide = after.float()
    norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    was = torch.linalg.vector_norm(before.float(), dim=-1, keepdim=True)
    scale = torch.where(norm > 0, was / norm.clamp(min=torch.finfo(torch.float32).tiny), 1.0)
    return rounded(wide * scale, after.dtype)


def _both(selection: Selection, rows: Tensor | None) -> Tensor | None:
    """Where both hold; None for everywhere."""
    if not isinstance(selection, Tensor):
        return rows
    return selection if rows is None else selection & rows
