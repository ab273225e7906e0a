"""What the guards of one batch have read, and what they decided."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from langsteer.edits.guard import Guard
from langsteer.engines.transformers.hooks import Forward, Prompt

# What a layer edits in a forward: everything, nothing, or where a mask [rows, length or 1, 1] says.
Selection = Tensor | bool
ROOM = 64


class Watch:
    """The state of guards that read at one layer over one window: at most one for each row.

    What counts has a slot: the last `reach` tokens of the prompt, then one for each token after it.
    Slot `reach - 1` is the end of the prompt, where the first decision is made.
    """

    def __init__(
        self,
        guards: Sequence[Guard | None],
        prompt: Prompt,
        bos: frozenset[int],
        own: Tensor | None = None,
    ) -> None:
        given = [guard for guard in guards if guard is not None]
        self.guards = tuple(guards)
        self.window = given[0].window
        self.reach = max(guard.reach for guard in given)
        self._columns = prompt.columns
        self._where, self._counts = _last_tokens(guards, prompt, bos, self.reach, own)
        self._seen = torch.zeros_like(self._counts)
        # Whether those that count are the last columns of every row, as with padding on the left.
        first = int(self._where[:, 0].min())
        self._full = bool(self._counts.all()) and first == prompt.columns - self.reach
        self._readout: tuple[Tensor, Tensor] | None = None
        self._read = torch.empty(0)  # [slots, rows, others]
        self._acting = torch.empty(0)  # [slots, rows]: whether the edit acts
        self._limits: list[tuple[Tensor, Tensor]] = []  # after n new tokens: act up to, go on up to
        self._log: list[tuple[int, int, Selection]] = []
        self._real = prompt.real

    def acts(self, forward: Forward, hidden: Tensor) -> Tensor | None:
        """Whether the edit acts at each position [rows, length] of this forward pass.

        None if the pass ends before the prompt does: nothing is decided yet.
        """
        hidden = hidden.detach()
        start, end = forward.start - self._columns, forward.start + forward.length - self._columns
        self._make_room(hidden, self.reach + max(end, 0))
        if start < 0:
            self._read_prompt(forward, hidden)
            if end < 0:
                return None
            self._open(hidden.device)
            first = self._decide(0, 1)
            prompt = first.expand(-1, -start)
            return torch.cat([prompt, self._go_on(hidden[:, -start:], 0)], 1) if end else prompt
        if not self._limits:
            self._open(hidden.device)
        return self._go_on(hidden, start)

    def note(self, forward: Forward, selection: Selection) -> None:
        """Keep for the tally what the scopes select in this forward pass."""
        start, length = forward.start, forward.length
        if self._log:
            begin, so_far, before = self._log[-1]
            if before is selection and begin + so_far == start:
                self._log[-1] = (begin, so_far + length, selection)
                return
        self._log.append((start, length, selection))

    def settle(self, kept: Sequence[int] | None = None) -> None:
        """Count what was noted into the tallies of the guards, and forget it.

        `kept`: for each row, the number of tokens after the prompt that are part of the answer.
        """
        log, self._log = self._log, []
        if not log or not self._limits:
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
        answer = self._acting[self.reach : self.reach + max(end - self._columns, 0)]
        prompt = self._acting[self.reach - 1].expand(self._columns, -1)
        acting = torch.cat([prompt, answer])[:end].T.cpu()
        for guard in dict.fromkeys(guard for guard in self.guards if guard is not None):
            rows = [row for row, mine in enumerate(self.guards) if mine is guard]
            full = selected[rows]
            guard.tally.add(int((full & acting[rows]).sum()), int(full.sum()))

    def _read_prompt(self, forward: Forward, hidden: Tensor) -> None:
        """Read those of the last tokens of the prompt that are in this forward pass."""
        columns, reach = self._columns, self.reach
        if self._full and forward.length >= columns:
            found = self._standing(hidden[:, columns - reach : columns])
            self._read[:reach] = found.transpose(0, 1)
            self._seen = self._counts
            return
        here = (self._where >= forward.start) & (self._where < forward.start + forward.length)
        here &= self._counts
        self._seen = self._seen | here
        column = (self._where - forward.start).clamp(0, forward.length - 1).to(hidden.device)
        row = torch.arange(len(self.guards), device=hidden.device)[:, None]
        found = self._standing(hidden[row, column])  # [rows, reach, others]
        before = self._read[:reach].transpose(0, 1)
        found = torch.where(here[..., None].to(hidden.device), found, before)
        self._read[:reach] = found.transpose(0, 1)

    def _open(self, device: torch.device) -> None:
        """Work out the limits of the means after each number of new tokens, for each row."""
        margins = [math.inf if guard is None else guard.margin for guard in self.guards]
        high = torch.tensor(margins, device=device)
        low = torch.tensor([m if m == math.inf else -m for m in margins], device=device)
        self._limits = [(low, high)] * (self.window + 1)
        if self._full and self._seen is self._counts:
            return
        # Slots without a token hold zeros: the mean over all slots is that much smaller.
        for new in range(self.window + 1):
            slots = min(self.reach + new, self.window)
            old = self._seen[:, max(0, self.reach + new - self.window) :].sum(1)
            share = ((old + new) / slots).clamp(min=1 / slots).to(device)
            self._limits[new] = (low * share, high * share)

    def _go_on(self, hidden: Tensor, start: int) -> Tensor:
        """Read the tokens after the prompt from number `start` on, and decide at each."""
        slot, length = self.reach + start, hidden.shape[1]
        if length == 1:
            self._standing(hidden, into=self._read[slot])
        else:
            self._read[slot : slot + length] = self._standing(hidden).transpose(0, 1)
        return self._decide(start + 1, length)

    def _decide(self, new: int, length: int) -> Tensor:
        """Whether to act [rows, length] where `new` tokens follow the prompt, and after."""
        found = []
        for count in range(new, new + length):
            slot = self.reach - 1 + count
            least = self._read[max(0, slot + 1 - self.window) : slot + 1].mean(0).amin(-1)
            low, high = self._limits[min(count, self.window)]
            # Between the limits it goes on as before; before the first decision it did not act.
            limit = torch.where(self._acting[slot - 1], high, low) if count else low
            found.append(torch.le(least, limit, out=self._acting[slot]))
        return found[0][:, None] if length == 1 else torch.stack(found, 1)

    def _standing(self, latents: Tensor, into: Tensor | None = None) -> Tensor:
        """Where latents [rows, n, d] stand to each other language [rows, n, others], in float32.

        For one token it may be written into a tensor [rows, others].
        """
        if self._readout is None or self._readout[0].device != latents.device:
            self._readout = _readout(self.guards, latents.device)
        directions, offsets = self._readout
        if directions.ndim == 2:
            flat = torch.addmm(offsets, latents.float().flatten(0, 1), directions, out=into)
            return flat.view(*latents.shape[:2], -1)
        out = None if into is None else into[:, None]
        return torch.baddbmm(offsets, latents.float(), directions, out=out)

    def _make_room(self, hidden: Tensor, slots: int) -> None:
        """Buffers with room for so many slots; what they hold is kept."""
        if len(self._read) >= slots and self._read.device == hidden.device:
            return
        rows = len(self.guards)
        others = next(guard.offsets.shape[0] for guard in self.guards if guard is not None)
        size = max(2 * slots, ROOM)
        read = torch.zeros(size, rows, others, device=hidden.device)
        acting = torch.zeros(size, rows, dtype=torch.bool, device=hidden.device)
        if len(self._read):
            read[: len(self._read)] = self._read
            acting[: len(self._acting)] = self._acting
        self._read, self._acting = read, acting


def watches(
    prompt: Prompt,
    guards: Sequence[Guard | None],
    bos: frozenset[int],
    own: Tensor | None = None,
) -> dict[int, list[Watch]]:
    """The watches of a batch by the layer where they read: guards of one kind share one."""
    kinds: dict[tuple[int, int, int], None] = {
        _kind(guard): None for guard in guards if guard is not None
    }
    found: dict[int, list[Watch]] = {}
    for kind in kinds:
        mine = [guard if guard is not None and _kind(guard) == kind else None for guard in guards]
        found.setdefault(kind[0], []).append(Watch(mine, prompt, bos, own))
    return found


def _kind(guard: Guard) -> tuple[int, int, int]:
    return guard.layer, guard.window, guard.offsets.shape[0]


def _readout(guards: Sequence[Guard | None], device: torch.device) -> tuple[Tensor, Tensor]:
    """Directions and offsets: [d, others] and [others] if all rows share one guard, else by row."""
    shown = next(guard for guard in guards if guard is not None)
    if all(guard is None or guard is shown for guard in guards):
        return shown.directions.to(device), shown.offsets.to(device)
    each = [shown if guard is None else guard for guard in guards]
    directions = torch.stack([guard.directions for guard in each])
    offsets = torch.stack([guard.offsets for guard in each])[:, None]
    return directions.to(device), offsets.to(device)


def _last_tokens(
    guards: Sequence[Guard | None],
    prompt: Prompt,
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
    prompt: Prompt, row: int, reach: int, bos: frozenset[int], own: Tensor | None
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
