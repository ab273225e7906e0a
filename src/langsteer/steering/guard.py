"""Steer only where it is needed: read the language of the stream, and act while it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor

from langsteer.errors import SteeringError
from langsteer.forward import Forward, Prompt
from langsteer.languages import choose
from langsteer.space import Space

WINDOW, MARGIN = 8, 0.25


@dataclass(eq=False)
class Tally:
    """How often a guard let its edit act, in positions that the edit's scope selects."""

    _sums: list[Tensor] = field(default_factory=lambda: [torch.zeros(2, dtype=torch.long)])
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, acted: Tensor, selected: Tensor) -> None:
        """Count the positions in two masks of one shape; nothing waits for the device."""
        counts = torch.stack([acted.sum(), selected.sum()])
        with self._lock:
            if counts.device != self._sums[-1].device:
                self._sums.append(torch.zeros_like(counts))
            self._sums[-1] = self._sums[-1] + counts

    @property
    def acted(self) -> int:
        """The number of positions that were edited."""
        return sum(int(counts[0]) for counts in self._sums)

    @property
    def selected(self) -> int:
        """The number of positions that would have been edited without the guard."""
        return sum(int(counts[1]) for counts in self._sums)


@dataclass(frozen=True, eq=False)
class Guard:
    """Lets an edit act only while the row is not in the target language.

    Read are the latents at `layer`, the first layer of the edit, before the edit: for every other
    language `o`, where the latent lies between the mean of `o` (-1) and that of the target (1),
    along the line between the two. The least of these, averaged over the last `window` tokens of
    the row, is the row's standing. Above `margin` the row is in the target language and is left
    alone; below `-margin` it is steered; between the two it goes on as before.

    A standing depends on the row's tokens alone, not on how the forward passes are cut: with a
    cache or without, alone or in a batch, the guard decides alike.

    `directions` [d, others] and `offsets` [others] are the readout: `z @ directions + offsets`.
    """

    target: str
    layer: int
    directions: Tensor
    offsets: Tensor
    window: int = WINDOW
    margin: float = MARGIN
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        if self.window < 1 or self.margin < 0:
            raise SteeringError(
                f"a guard's window must be at least 1 and its margin not below 0, "
                f"not {self.window} and {self.margin}"
            )

    @classmethod
    def of(
        cls,
        space: Space,
        target: str,
        layer: int,
        *,
        others: Sequence[str] | None = None,
        window: int = WINDOW,
        margin: float = MARGIN,
    ) -> Guard:
        """The guard for a target language, from the means of a space.

        Args:
            space: where the means come from.
            target: the language to be reached.
            layer: the block at whose output to read: the first layer of the edit.
            others: the languages to tell it from; all others of the space if None.
            window: how many of the last tokens count.
            margin: how far from the middle, on a scale of -1 to 1, a row must be to change sides.

        Raises:
            LanguageError: a language is not in the space.
            SpaceError: the layer is not in the space.
            SteeringError: there is no other language, or one with the same mean.
        """
        goal = choose(target, space.languages)
        rest = space.languages if others is None else [choose(o, space.languages) for o in others]
        apart = [other for other in rest if other != goal]
        if not apart:
            raise SteeringError(f"a guard for {goal} needs another language to tell it from")
        mean = space.mean(goal, layer)
        means = torch.stack([space.mean(other, layer) for other in apart])
        gap = mean - means
        squared = (gap * gap).sum(1)
        if not bool((squared > 0).all()):
            raise SteeringError(f"the mean of {goal} is also that of another language")
        directions = 2 * gap / squared[:, None]
        offsets = -(directions * (mean + means) / 2).sum(1)
        return cls(goal, layer, directions.T.float(), offsets.float(), window, margin)

    def standing(self, latents: Tensor) -> Tensor:
        """Where latents [..., d] stand to each other language [..., others], in float32."""
        device = latents.device
        return latents.float() @ self.directions.to(device) + self.offsets.to(device)


class Watch:
    """The state of one guard in one batch: what it read at each column of its `rows`."""

    def __init__(
        self, guard: Guard, rows: Sequence[int], prompt: Prompt, bos: frozenset[int]
    ) -> None:
        self.guard = guard
        self.rows = list(rows)
        counted = prompt.real[self.rows].clone()
        if prompt.ids is not None:  # the stream at a leading special token is of no language
            for row, ids in enumerate(prompt.ids[self.rows]):
                first = int(counted[row].int().argmax())
                alone = int(counted[row].sum()) == 1
                counted[row, first] &= alone or int(ids[first]) not in bos
        self._counted = counted
        self._read: Tensor | None = None  # standings [rows, columns, others]
        self._count: Tensor | None = None  # [rows, columns, 1]: 1 where a column counts
        self._side: Tensor | None = None  # [rows, columns]: 1 wrong, -1 right, 0 not clear yet

    def acts(self, forward: Forward, hidden: Tensor) -> Tensor:
        """Whether the edit acts at each position [rows, length] of this forward pass."""
        start, end = forward.start, forward.start + forward.length
        read, count, side = self._buffers(hidden.device, end)
        read[:, start:end] = self.guard.standing(hidden[self.rows]) * count[:, start:end]
        first = max(start - self.guard.window + 1, 0)
        standing = _trailing(read[:, first:end], self.guard.window, forward.length)
        tokens = _trailing(count[:, first:end], self.guard.window, forward.length)
        least = (standing / tokens.clamp(min=1)).amin(-1)
        before = side[:, start - 1] if start else torch.zeros_like(side[:, 0])
        now = side[:, start:end] = _sides(least, before, self.guard.margin)
        return (now > 0) | ((now == 0) & (least <= 0))

    def _buffers(self, device: torch.device, end: int) -> tuple[Tensor, Tensor, Tensor]:
        """What was read so far, with room up to column `end`."""
        read, count, side = self._read, self._count, self._side
        if read is None or count is None or side is None or read.shape[1] < end:
            rows, others = len(self.rows), self.guard.offsets.shape[0]
            size = max(2 * end, 64)
            grown = torch.zeros(rows, size, others, device=device)
            counted = torch.ones(rows, size, 1, device=device)
            counted[:, : self._counted.shape[1], 0] = self._counted.float().to(device)
            sides = torch.zeros(rows, size, dtype=torch.int8, device=device)
            if read is not None and side is not None:
                grown[:, : read.shape[1]] = read
                sides[:, : side.shape[1]] = side
            read, count, side = self._read, self._count, self._side = grown, counted, sides
        return read, count, side


def _trailing(values: Tensor, window: int, length: int) -> Tensor:
    """Sums over the last `window` columns up to each of the last `length` [rows, length, n]."""
    if length == 1:
        return values.sum(1, keepdim=True)
    missing = length + window - 1 - values.shape[1]
    padded = torch.nn.functional.pad(values, (0, 0, missing, 0))
    return padded.unfold(1, window, 1).sum(-1)


def _sides(standing: Tensor, before: Tensor, margin: float) -> Tensor:
    """On which side each column [rows, length] is: that of the last clear one up to it."""
    sign = torch.where(standing.abs() > margin, -standing.sign(), 0).to(torch.int8)
    if standing.shape[1] == 1:
        return torch.where(sign == 0, before[:, None], sign)
    column = torch.arange(standing.shape[1], device=standing.device)
    last = torch.where(sign != 0, column, -1).cummax(1).values
    return torch.where(last >= 0, sign.gather(1, last.clamp(min=0)), before[:, None])
