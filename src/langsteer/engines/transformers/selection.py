"""Which columns of a padded batch the scopes of its rows select."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.scope import FOREVER, Scope
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.errors import ScopeError, SteeringError

# What a layer edits in a forward: everything, nothing, or where a mask [rows, length or 1, 1] says.
Selection = Tensor | bool
_Spans = tuple[tuple[int, int], ...]


class ScopedColumns:
    """What the scopes select in the columns of one batch, each prompt in `copies` rows.

    A token's position is its column without the padding before the prompt; where padding follows
    the prompt, the answer begins after it, and its positions go on from those of the prompt.
    """

    def __init__(
        self, prompt: PromptTokens, edits: Sequence[Edit | None], copies: int, bos: frozenset[int]
    ) -> None:
        self._columns = prompt.columns
        self._bos = bos
        self._scopes = [
            None if edit is None else edit.scope for edit in edits for _ in range(copies)
        ]
        self._rows: dict[Scope, list[int]] = {}
        for row, scope in enumerate(self._scopes):
            if scope is not None:
                self._rows.setdefault(scope, []).append(row)
        bounds = ends(prompt.real)
        self._lengths = (bounds[:, 1] - bounds[:, 0] + 1).repeat_interleave(copies)
        self._chosen = _in_prompt(prompt, edits, bounds, bos).repeat_interleave(copies, 0)
        self._spans: list[_Spans] = [()] * len(self._lengths)
        for scope, rows in self._rows.items():
            for row in rows:
                self._spans[row] = self._after(scope, int(self._lengths[row]))
        self._breaks = sorted({at for row in set(self._spans) for span in row for at in span})
        self._by_token = any(scope.by_token for scope in self._rows)
        self._pieces: dict[object, Selection] = {}

    def select(self, forward: Forward, rows: tuple[bool, ...], device: torch.device) -> Selection:
        """What is selected in a forward pass, of the rows that are edited at all."""
        key = ("selection", rows, device)
        if key not in forward.memo:
            piece = self._piece(forward)
            forward.memo[key] = (
                self._general(forward, rows, device)
                if piece is None
                else self._constant(piece, rows, device)
            )
        return forward.memo[key]  # type: ignore[no-any-return]

    def steady(self, row: int) -> bool | None:
        """Whether all tokens of the answer of a row are selected, or none; None if that changes."""
        scope = self._scopes[row]
        if scope is None or not (spans := self._spans[row]):
            return False
        first = any(begin <= self._columns and end >= FOREVER for begin, end in spans)
        return True if first and not scope.by_token else None

    def any_in_prompt(self, forward: Forward) -> list[bool]:
        """For each row, whether a column of the prompt in this forward pass is selected."""
        here = self._chosen[:, forward.start : forward.start + forward.length]
        found: list[bool] = here.any(1).tolist()
        return found

    def _after(self, scope: Scope, length: int) -> _Spans:
        """The half-open column intervals of the answer that lie in the windows."""
        gap = self._columns - length
        spans = [(begin + gap, end + gap) for begin, end in scope.spans(length)]
        return tuple(
            (max(begin, self._columns), end) for begin, end in spans if end > self._columns
        )

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
        end = forward.start + forward.length
        chosen = self._chosen[:, forward.start : end]
        if end > self._columns:
            chosen = torch.cat([chosen, self._in_answer(forward)], 1)
        chosen = chosen & torch.tensor(rows)[:, None]
        if bool(chosen.all()):
            return True
        return chosen[..., None].to(device) if bool(chosen.any()) else False

    def _in_answer(self, forward: Forward) -> Tensor:
        """What is selected of the columns after the prompt [rows, n] (CPU)."""
        start = max(forward.start, self._columns)
        column = torch.arange(start, forward.start + forward.length) - self._columns
        ids = None
        if self._by_token:
            if forward.ids is None:
                raise SteeringError("a scope by token needs input_ids, but vectors were passed")
            ids = forward.ids[:, start - forward.start :].cpu()
        chosen = torch.zeros(len(self._lengths), len(column), dtype=torch.bool)
        for scope, rows in self._rows.items():
            length = self._lengths[rows, None]
            mine = None if ids is None else ids[rows]
            chosen[rows] = scope.selects(length + column, length, mine, self._bos)
        return chosen


def ends(real: Tensor) -> Tensor:
    """The first and the last column that hold a token [rows, 2], for each row of `real`.

    Raises:
        ScopeError: none does.
    """
    if not bool(real.any(1).all()):
        raise ScopeError("a prompt is empty: all of it is padding; give it at least one token")
    first = real.byte().argmax(1)
    last = real.shape[1] - 1 - real.flip(1).byte().argmax(1)
    return torch.stack([first, last], 1)


def _in_prompt(
    prompt: PromptTokens, edits: Sequence[Edit | None], bounds: Tensor, bos: frozenset[int]
) -> Tensor:
    """Which columns of each prompt are edited [rows, columns] (bool, CPU)."""
    chosen = torch.zeros(prompt.rows, prompt.columns, dtype=torch.bool)
    rows: dict[Scope, list[int]] = {}
    for row, edit in enumerate(edits):
        if edit is not None:
            rows.setdefault(edit.scope, []).append(row)
    for scope, mine in rows.items():
        first, last = bounds[mine, 0, None], bounds[mine, 1, None]
        ids = None if prompt.ids is None else prompt.ids[mine]
        found = scope.selects(torch.arange(prompt.columns) - first, last - first + 1, ids, bos)
        chosen[mine] = found & prompt.real[mine]
        _require_some(scope, prompt, mine, chosen)
    return chosen


def _require_some(scope: Scope, prompt: PromptTokens, rows: Sequence[int], chosen: Tensor) -> None:
    """Raise ScopeError if a row has nothing selected, neither now nor later."""
    bounds = ends(prompt.real)
    for row in rows:
        length = int(bounds[row, 1] - bounds[row, 0]) + 1
        if not bool(chosen[row].any()) and all(end <= length for _, end in scope.spans(length)):
            raise ScopeError(
                f"the scope {scope} selects nothing in prompt {row}, "
                f"which has {int(prompt.real[row].sum())} tokens"
            )


def _pattern(rows: Sequence[bool], device: torch.device) -> Selection:
    if all(rows):
        return True
    return torch.tensor(rows, device=device)[:, None, None] if any(rows) else False
