"""An edit worked out for one batch of prompts: which rows and columns change, and by what."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Map, Shift
from langsteer.edits.scope import Scope, ends
from langsteer.engines.transformers.guarded import Selection, Watch, watches
from langsteer.engines.transformers.hooks import Forward, Prompt
from langsteer.errors import SteeringError

_Spans = tuple[tuple[int, int], ...]
_ACTS = "acts"


@dataclass(frozen=True)
class _Group:
    """The rows [n] (None for all) that one general map edits."""

    rows: Tensor | None
    apply: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Changes:
    """What one layer does, on one device and in one dtype.

    `delta` [rows or 1, 1, d] is what rows with a shift add; `groups` are the other maps.
    """

    rows: tuple[bool, ...]
    delta: Tensor | None
    shifted: Tensor | None
    groups: tuple[_Group, ...]


class Plan:
    """The edits of one batch: `edits` per prompt, each prompt in `copies` rows of the forward."""

    def __init__(
        self,
        prompt: Prompt,
        edits: Sequence[Edit | None],
        copies: int,
        bos: frozenset[int],
        own: Tensor | None = None,
    ) -> None:
        self._columns = prompt.columns
        self._edits = [edit for edit in edits for _ in range(copies)]
        chosen, spans = _selected(prompt, edits, bos)
        self._chosen = chosen.repeat_interleave(copies, 0)
        self._spans = [span for span in spans for _ in range(copies)]
        self._breaks = sorted({bound for row in set(spans) for span in row for bound in span})
        self._by_token = any(edit is not None and edit.scope.by_token for edit in edits)
        self._watches = _watches(prompt, edits, copies, bos, own)
        self._pieces: dict[object, Selection] = {}
        self._changes: dict[object, _Changes] = {}

    def apply(self, forward: Forward, layer: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of block `layer`, edited where the scopes say."""
        changes = self._at(layer, hidden)
        selection = self._select(forward, changes.rows, hidden.device)
        if self._watches:
            selection = self._guarded(forward, layer, hidden, selection)
        if selection is False:
            return hidden
        edited = hidden
        if changes.delta is not None:
            moved = _finite(hidden + changes.delta)
            where = _both(selection, changes.shifted)
            edited = moved if where is None else torch.where(where, moved, hidden)
        for group in changes.groups:
            edited = _apply_group(group, selection, hidden, edited)
        return edited

    @property
    def guarded(self) -> bool:
        """Whether any edit has a guard."""
        return bool(self._watches)

    def settle(self, kept: Sequence[int] | None = None) -> None:
        """Count what the guards did into their tallies; `kept` as in `Watch.settle`."""
        for watch in self._every_watch():
            watch.settle(kept)

    def _every_watch(self) -> Iterator[Watch]:
        return (watch for mine in self._watches.values() for watch in mine)

    def _guarded(
        self, forward: Forward, layer: int, hidden: Tensor, selection: Selection
    ) -> Selection:
        """The selection without the rows that are in their target language already."""
        acts: Tensor | None = forward.memo.get(_ACTS)
        for watch in self._watches.get(layer, ()):
            mine = watch.acts(forward, hidden)
            watch.note(forward, selection)
            if mine is None:
                self._refuse_chunk(forward, watch)
                continue
            acts = mine if acts is None else acts.to(hidden.device) & mine
            forward.memo[_ACTS] = acts
        if acts is None or selection is False:
            return selection
        where = acts.to(hidden.device)[..., None]
        return where if selection is True else where & selection

    def _refuse_chunk(self, forward: Forward, watch: Watch) -> None:
        """A guard decides at the end of the prompt: nothing before it may be edited sooner."""
        chosen = self._chosen[:, forward.start : forward.start + forward.length].any(1).tolist()
        if any(edited and guard for edited, guard in zip(chosen, watch.guards, strict=True)):
            raise SteeringError(
                "the prompt is read in several passes, and a guard decides at its end, after the "
                "first of them was to be edited; use a scope that begins at the prompt's end "
                "(generated, prompt_last), or read the prompt in one pass"
            )

    def _at(self, layer: int, hidden: Tensor) -> _Changes:
        key = (layer, hidden.device, hidden.dtype)
        if key not in self._changes:
            self._changes[key] = _changes(self._edits, layer, hidden)
        return self._changes[key]

    def _select(self, forward: Forward, rows: tuple[bool, ...], device: torch.device) -> Selection:
        key = ("selection", rows, device)
        if key not in forward.memo:
            piece = self._piece(forward)
            forward.memo[key] = (
                self._general(forward, rows, device)
                if piece is None
                else self._constant(piece, rows, device)
            )
        return forward.memo[key]  # type: ignore[no-any-return]

    def _piece(self, forward: Forward) -> int | None:
        """Which stretch between breaks holds the whole forward; None if none or it needs ids."""
        if forward.start < self._columns or self._by_token:
            return None
        piece = bisect_right(self._breaks, forward.start)
        end = bisect_right(self._breaks, forward.start + forward.length - 1)
        return piece if piece == end else None

    def _constant(self, piece: int, rows: tuple[bool, ...], device: torch.device) -> Selection:
        """The selection in a stretch where no scope begins or ends: the same at each position."""
        key = (piece, rows, device)
        if key not in self._pieces:
            column = self._breaks[piece - 1] if piece else self._columns
            pattern = [
                row and any(begin <= column < end for begin, end in spans)
                for row, spans in zip(rows, self._spans, strict=True)
            ]
            self._pieces[key] = _pattern(pattern, device)
        return self._pieces[key]

    def _general(self, forward: Forward, rows: tuple[bool, ...], device: torch.device) -> Selection:
        """The selection column by column."""
        if forward.start + forward.length <= self._columns:
            chosen = self._chosen[:, forward.start : forward.start + forward.length]
        else:
            chosen = torch.cat(
                [self._chosen[:, forward.start :], self._after(forward)],
                dim=1,
            )
        chosen = chosen & torch.tensor(rows)[:, None]
        if bool(chosen.all()) and not self._by_token:
            return True
        if not bool(chosen.any()):
            return False
        mask = chosen[..., None].to(device)
        if self._by_token and forward.start + forward.length > self._columns:
            mask = mask & self._allowed(forward, device)
        return mask

    def _after(self, forward: Forward) -> Tensor:
        """Which columns of the forward after the prompt lie in the windows [rows, n] (CPU)."""
        start = max(forward.start, self._columns)
        column = torch.arange(start, forward.start + forward.length)
        after = torch.zeros(len(self._spans), len(column), dtype=torch.bool)
        for row, spans in enumerate(self._spans):
            for begin, end in spans:
                after[row] |= (column >= begin) & (column < end)
        return after

    def _allowed(self, forward: Forward, device: torch.device) -> Tensor:
        """Where the tokens after the prompt do not forbid an edit [rows, length, 1]."""
        if forward.ids is None:
            raise SteeringError("a scope by token needs input_ids, but vectors were passed")
        allowed = torch.ones_like(forward.ids, dtype=torch.bool)
        after = max(self._columns - forward.start, 0)
        for row, edit in enumerate(self._edits):
            if edit is not None and edit.scope.by_token:
                allowed[row, after:] = edit.scope.allows(forward.ids[row, after:])
        return allowed[..., None].to(device)


def _watches(
    prompt: Prompt,
    edits: Sequence[Edit | None],
    copies: int,
    bos: frozenset[int],
    own: Tensor | None,
) -> dict[int, list[Watch]]:
    """What watches the rows for the guards among the edits, by layer."""
    guards = [None if edit is None else edit.guard for edit in edits]
    if copies > 1 and any(guards):
        raise SteeringError(
            f"a guard follows each row by itself, but each prompt runs in {copies} rows, which "
            "beams exchange; generate without beams and returned sequences, or without a guard"
        )
    return watches(prompt, guards, bos, own)


def _selected(
    prompt: Prompt, edits: Sequence[Edit | None], bos: frozenset[int]
) -> tuple[Tensor, list[_Spans]]:
    """Which columns of each prompt are edited [rows, columns] (bool, CPU), and the spans after it.

    Rows of one scope are worked out together.
    """
    chosen = torch.zeros(prompt.rows, prompt.columns, dtype=torch.bool)
    spans: list[_Spans] = [()] * prompt.rows
    rows: dict[Scope, list[int]] = {}
    for row, edit in enumerate(edits):
        if edit is not None:
            rows.setdefault(edit.scope, []).append(row)
    for scope, mine in rows.items():
        chosen[mine] = scope.in_prompt(prompt, mine, bos)
        for row, (first, last) in zip(mine, ends(prompt.real[mine]), strict=True):
            spans[row] = scope.in_generated(prompt.columns, first, last)
    return chosen, spans


def _changes(edits: Sequence[Edit | None], layer: int, hidden: Tensor) -> _Changes:
    """What the rows with these edits do at a layer, in the dtype and on the device of `hidden`."""
    here = [None if edit is None else edit.maps.get(layer) for edit in edits]
    shifts = [
        isinstance(map_, Shift) and edit is not None and not edit.restore_norm
        for map_, edit in zip(here, edits, strict=True)
    ]
    delta = shifted = None
    if any(shifts):
        delta = _table(edits, here, shifts, hidden)
        shifted = None if all(shifts) else torch.tensor(shifts, device=hidden.device)[:, None, None]
    general: dict[tuple[int, float, bool], list[int]] = {}
    for row, (map_, edit) in enumerate(zip(here, edits, strict=True)):
        if map_ is not None and edit is not None and not shifts[row]:
            general.setdefault((id(map_), edit.strength, edit.restore_norm), []).append(row)
    groups = tuple(_group(edits, here, rows, hidden) for rows in general.values())
    return _Changes(tuple(map_ is not None for map_ in here), delta, shifted, groups)


def _table(
    edits: Sequence[Edit | None], maps: Sequence[Map | None], shifts: Sequence[bool], hidden: Tensor
) -> Tensor:
    """What each row adds [rows or 1, 1, d], gathered from a table whose row 0 is zero."""
    table = [torch.zeros(hidden.shape[-1])]
    index: dict[tuple[int, float], int] = {}
    rows = []
    for map_, edit, shift in zip(maps, edits, shifts, strict=True):
        if not shift or not isinstance(map_, Shift) or edit is None:
            rows.append(0)
            continue
        key = (id(map_), edit.strength)
        if key not in index:
            index[key] = len(table)
            table.append(edit.strength * map_.vector.float().cpu())
        rows.append(index[key])
    cast = torch.stack(table).to(hidden.dtype)
    if not bool(cast.isfinite().all()):
        raise SteeringError(
            f"a shift is not finite in {hidden.dtype}; lower the strength, or run the model in "
            "bfloat16 or float32"
        )
    kept = rows[:1] if len(set(rows)) == 1 else rows
    return cast[kept][:, None].to(hidden.device)


def _group(
    edits: Sequence[Edit | None], maps: Sequence[Map | None], rows: list[int], hidden: Tensor
) -> _Group:
    edit, map_ = edits[rows[0]], maps[rows[0]]
    if edit is None or map_ is None:
        raise SteeringError("a row without an edit cannot be part of a group")
    moved, strength, restore = map_.to(hidden.device), edit.strength, edit.restore_norm

    def apply(latents: Tensor) -> Tensor:
        edited = moved(latents, strength)
        return _finite(_restore(latents, edited) if restore else edited)

    index = None if len(rows) == len(edits) else torch.tensor(rows, device=hidden.device)
    return _Group(index, apply)


def _apply_group(group: _Group, selection: Selection, before: Tensor, edited: Tensor) -> Tensor:
    """Apply a group's map to its rows [n, length, d] where they are selected."""
    rows = group.rows
    latents = before if rows is None else before[rows]
    moved = group.apply(latents)
    if isinstance(selection, Tensor):
        moved = torch.where(selection if rows is None else selection[rows], moved, latents)
    return moved if rows is None else edited.index_copy(0, rows, moved)


def _restore(before: Tensor, after: Tensor) -> Tensor:
    """`after` with the norms of `before`, computed in float32."""
    wide = after.float()
    norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    was = torch.linalg.vector_norm(before.float(), dim=-1, keepdim=True)
    scale = torch.where(norm > 0, was / norm.clamp(min=torch.finfo(torch.float32).tiny), 1.0)
    return (wide * scale).to(after.dtype)


def _finite(latents: Tensor) -> Tensor:
    """Keep float16 within its range; a sum beyond it would be infinite."""
    if latents.dtype != torch.float16:
        return latents
    limit = torch.finfo(torch.float16).max
    return latents.clamp(-limit, limit)


def _pattern(rows: Sequence[bool], device: torch.device) -> Selection:
    if all(rows):
        return True
    return torch.tensor(rows, device=device)[:, None, None] if any(rows) else False


def _both(selection: Selection, rows: Tensor | None) -> Tensor | None:
    """Where both hold; None for everywhere."""
    if not isinstance(selection, Tensor):
        return rows
    return selection if rows is None else selection & rows
