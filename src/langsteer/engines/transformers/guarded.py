"""What the guards of one batch have read, and what they decided."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from langsteer.edits.guard import Guard, GuardState, Readout
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.engines.transformers.selection import Selection

OPENED = "opened"
"""Under this name a forward pass knows where thinking is open [rows, length]; None for nowhere."""


class GuardedRows:
    """The rows that guards of one kind follow through the passes of a batch: at most one for each.

    A state is kept for each token from the end of the prompt on, so that a pass may go back, as
    after rejected candidates. The last `reach` tokens of a prompt count for its first decision.
    """

    def __init__(
        self,
        guards: Sequence[Guard | None],
        prompt: PromptTokens,
        bos: frozenset[int],
        own: Tensor | None = None,
    ) -> None:
        self.guards = tuple(guards)
        self._columns = prompt.columns
        self._real = prompt.real
        self._reach = max(guard.reach for guard in guards if guard is not None)
        self._where, self._counts = _last_tokens(guards, prompt, bos, self._reach, own)
        self._seen = torch.zeros_like(self._counts)
        # Whether those that count are the last columns of every row, as with padding on the left.
        first = int(self._where[:, 0].min())
        self._full = bool(self._counts.all()) and first == prompt.columns - self._reach
        self._readout: Readout | None = None
        self._last: Tensor | None = None  # [rows, reach, others]: the end of the prompt
        self._states: list[GuardState] = []  # after 0, 1, … tokens of the answer
        self._log: list[tuple[int, int, Selection]] = []

    def alone(self, row: int) -> GuardedRows:
        """One of the rows, which goes on by itself with what was read of it."""
        one = copy(self)
        one.guards = (self.guards[row],)
        mine = slice(row, row + 1)
        one._real, one._where, one._counts = self._real[mine], self._where[mine], self._counts[mine]
        one._seen = one._counts if self._seen is self._counts else self._seen[mine]
        one._full, one._readout = False, None
        one._last = None if self._last is None else self._last[mine]
        one._states = [state.row(row) for state in self._states]
        one._log = [
            (start, length, chosen if isinstance(chosen, bool) else chosen[mine])
            for start, length, chosen in self._log
        ]
        return one

    def acts(self, forward: Forward, hidden: Tensor) -> Tensor | None:
        """Whether the edit acts at each position [rows, length] of this forward pass.

        None if the pass ends before the prompt does: nothing is decided yet.
        """
        hidden = hidden.detach()
        readout = self._read_at(hidden.device)
        start, end = forward.start - self._columns, forward.start + forward.length - self._columns
        if start >= 0:
            return self._go_on(readout, readout.scores(hidden), start, _answers(forward, 0))
        self._read_prompt(readout, forward, hidden)
        if end < 0 or self._last is None:
            return None
        everything = self._full and self._seen is self._counts
        counted = None if everything else self._seen.to(hidden.device)
        state, acts = readout.begin(self._last, counted)
        self._states = [state]
        prompt = acts[:, None].expand(-1, -start)
        if not end:
            return prompt
        scores = readout.scores(hidden[:, -start:])
        return torch.cat([prompt, self._go_on(readout, scores, 0, _answers(forward, -start))], 1)

    def note(self, forward: Forward, selection: Selection) -> None:
        """Keep for the counts what the scopes select in this forward pass, but no thinking."""
        start, length = forward.start, forward.length
        answers = _answers(forward, 0)
        if answers is not None and selection is not False:
            where = answers[..., None]
            selection = where if selection is True else selection.cpu() & where
        if self._log:
            begin, so_far, before = self._log[-1]
            if before is selection and begin + so_far == start:
                self._log[-1] = (begin, so_far + length, selection)
                return
        self._log.append((start, length, selection))

    def finish(self, kept: Sequence[int] | None = None) -> None:
        """Add what was noted to the counts of the guards, and forget it.

        `kept`: for each row, the number of tokens after the prompt that are part of the answer.
        """
        log, self._log = self._log, []
        if not log or not self._states:
            return
        end = log[-1][0] + log[-1][1]
        selected = torch.zeros(len(self.guards), max(end, self._columns), dtype=torch.bool)
        for start, length, selection in log:
            mask = selection.cpu()[..., 0] if isinstance(selection, Tensor) else selection
            selected[:, start : start + length] = mask
        selected = selected[:, :end]
        selected[:, : self._columns] &= self._real[:, :end]
        if kept is not None:
            last = torch.tensor(kept)[:, None] + self._columns - 1  # it decides no further token
            selected &= torch.arange(end) < last.clamp(min=self._columns)
        decided = torch.stack([state.acting for state in self._states], 1).cpu()
        answer = decided[:, 1 : 1 + max(end - self._columns, 0)]
        acting = torch.cat([decided[:, :1].expand(-1, self._columns), answer], 1)[:, :end]
        for guard in dict.fromkeys(guard for guard in self.guards if guard is not None):
            rows = [row for row, mine in enumerate(self.guards) if mine is guard]
            full = selected[rows]
            guard.stats.add(int((full & acting[rows]).sum()), int(full.sum()))

    def _read_at(self, device: torch.device) -> Readout:
        if self._readout is None or self._readout.offsets.device != device:
            self._readout = Readout.of(self.guards, device)
        return self._readout

    def _read_prompt(self, readout: Readout, forward: Forward, hidden: Tensor) -> None:
        """Read those of the last tokens of the prompt that are in this forward pass."""
        columns, reach = self._columns, self._reach
        if self._full and forward.length >= columns:
            self._last = readout.scores(hidden[:, columns - reach : columns])
            self._seen = self._counts
            return
        here = (self._where >= forward.start) & (self._where < forward.start + forward.length)
        here &= self._counts
        self._seen = self._seen | here
        column = (self._where - forward.start).clamp(0, forward.length - 1).to(hidden.device)
        row = torch.arange(len(self.guards), device=hidden.device)[:, None]
        found = readout.scores(hidden[row, column])
        before = torch.zeros_like(found) if self._last is None else self._last.to(hidden.device)
        self._last = torch.where(here[..., None].to(hidden.device), found, before)

    def _go_on(
        self, readout: Readout, scores: Tensor, start: int, counted: Tensor | None
    ) -> Tensor:
        """Decide at each token after the prompt, from number `start` on [rows, n].

        `counted` [rows, n]: which of them are part of an answer; None for all.
        """
        while len(self._states) <= start:  # what came before was read elsewhere: it is not known
            nothing = torch.zeros_like(readout.starts_at, dtype=torch.bool)
            self._states.append(self._states[-1] if self._states else GuardState((), (), nothing))
        del self._states[start + 1 :]
        found = []
        for column, one in enumerate(scores.unbind(1)):
            mine = None if counted is None else counted[:, column].to(one.device)
            state, acts = readout.step(self._states[-1], one, mine)
            self._states.append(state)
            found.append(acts)
        return torch.stack(found, 1)


def _answers(forward: Forward, begin: int) -> Tensor | None:
    """Where a forward pass, from column `begin` on, is not in thinking; None for everywhere."""
    opened: Tensor | None = forward.memo.get(OPENED)
    return None if opened is None else ~opened[:, begin:]


def guarded_rows(
    prompt: PromptTokens,
    guards: Sequence[Guard | None],
    bos: frozenset[int],
    own: Tensor | None = None,
) -> dict[int, list[GuardedRows]]:
    """The guarded rows of a batch by the layer where they are read: one for each kind of guard."""
    kinds: dict[tuple[int, int, int], None] = {
        _kind(guard): None for guard in guards if guard is not None
    }
    found: dict[int, list[GuardedRows]] = {}
    for kind in kinds:
        mine = [guard if guard is not None and _kind(guard) == kind else None for guard in guards]
        found.setdefault(kind[0], []).append(GuardedRows(mine, prompt, bos, own))
    return found


def _kind(guard: Guard) -> tuple[int, int, int]:
    return guard.layer, guard.window, guard.offsets.shape[0]


def _last_tokens(
    guards: Sequence[Guard | None],
    prompt: PromptTokens,
    bos: frozenset[int],
    reach: int,
    own: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The columns of the last tokens of each prompt [rows, reach], and which of them count.

    The stream at a leading special token is of no language; it counts only where it is alone.
    """
    where, counts = [], []
    for row, guard in enumerate(guards):
        columns = [] if guard is None else _last(prompt, row, guard.reach, bos, own)
        free = guard is None  # nothing is asked of such a row, so it may count
        missing = reach - len(columns)
        begin = prompt.columns - reach
        where.append([begin + slot if free else 0 for slot in range(missing)] + columns)
        counts.append([free] * missing + [True] * len(columns))
    return torch.tensor(where), torch.tensor(counts)


def _last(
    prompt: PromptTokens, row: int, reach: int, bos: frozenset[int], own: Tensor | None
) -> list[int]:
    """The columns of the last tokens of a prompt, a leading special token aside."""
    counted = prompt.real[row]
    if own is not None and own.shape == prompt.real.shape and bool((own[row] & counted).any()):
        counted = own[row] & counted
    real = counted.tolist()
    found = [column for column in range(len(real) - 1, -1, -1) if real[column]][: reach + 1]
    leads = len(found) <= reach and len(found) > 1
    if leads and prompt.ids is not None and int(prompt.ids[row, found[-1]]) in bos:
        found.pop()
    return found[:reach][::-1]
