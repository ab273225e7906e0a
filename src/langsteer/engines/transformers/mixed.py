"""The edits of rows that began at different times, one token of each per forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.known import KnownEdits
from langsteer.engines.transformers.batch import SteadyEdits
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.engines.transformers.steered import Steering

_FIRED = "fired"


@dataclass(eq=False)
class RowEdit:
    """The edit of one row after its prompt: the same at every token, or followed by itself.

    `steady` is the edit where all tokens of the answer have it, None where none has, or where a
    `steering` decides token by token: a guard, a scope that begins or ends in the answer or goes by
    tokens, or thinking. `given` counts the tokens of the answer that the model has read.
    """

    steady: Edit | None
    steering: Steering | None = None
    prompt: PromptTokens | None = None
    given: int = 0

    def finish(self, kept: int) -> None:
        """The row is over, with so many tokens of its own: count what a guard did."""
        if self.steering is not None and self.prompt is not None:
            self.steering.generated(self.prompt, lambda: [kept])


class MixedEdits:
    """The editor of a forward pass of one new token for each row.

    Rows whose edit is the same at every token are edited together by one table; each of the others
    as if it ran alone.
    """

    def __init__(self, rows: Sequence[RowEdit], known: KnownEdits) -> None:
        self._rows = tuple(rows)
        self._steady = SteadyEdits([row.steady for row in rows], known)
        self._alone = [
            (place, row, row.steering) for place, row in enumerate(rows) if row.steering is not None
        ]
        found = set(self._steady.layers)
        for _, _, steering in self._alone:
            found |= steering.layers
        self.layers: Set[int] = found

    def edit(self, forward: Forward, index: int, hidden: Tensor) -> Tensor:
        """The output [rows, 1, d] of layer `index`, edited."""
        forward.memo.setdefault(_FIRED, set()).add(index)
        edited = self._steady.apply(index, hidden)
        parts = {}
        for place, row, steering in self._alone:
            if index in steering.layers:
                mine = hidden[place : place + 1]
                found = steering.edit(_alone(forward, place, row), index, mine)
                if found is not mine:
                    parts[place] = found
        if not parts:
            return edited
        where = torch.tensor(list(parts), device=hidden.device)
        return edited.index_copy(0, where, torch.cat(list(parts.values())))

    def finish(self, forward: Forward) -> None:
        """Require that every edited layer has run; every row has one token more."""
        Steering.require_all(self.layers, forward.memo.get(_FIRED, set()))
        self.passed()

    def passed(self) -> None:
        """Every row has been given one token more."""
        for row in self._rows:
            row.given += 1

    def generated(self, prompt: PromptTokens, kept: Callable[[], Sequence[int]]) -> None:
        """Nothing: each row is counted when it is over."""

    def check_cache(self, cache: Any) -> None:
        """Nothing: the cache holds each row under its own edit."""

    def mark_cache(self, cache: Any) -> None:
        """Nothing, for the same reason."""


def _alone(forward: Forward, place: int, row: RowEdit) -> Forward:
    """The forward pass of one row, as it would be if the row ran alone."""
    if row not in forward.memo:
        prompt = row.prompt
        if prompt is None:
            raise RuntimeError("a row that is followed by itself has no prompt")
        ids = None if forward.ids is None else forward.ids[place : place + 1]
        start = prompt.columns + row.given
        forward.memo[row] = Forward(prompt, start, 1, 1, ids, forward.owner)
    return forward.memo[row]  # type: ignore[no-any-return]
