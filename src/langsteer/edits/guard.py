"""Steer only where it is needed: read the language of the stream, and act while it is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor

from langsteer.errors import SteeringError
from langsteer.statistics import Statistics
from langsteer.text.tags import choose

WINDOW, MARGIN = 16, 0.25
REACH, REACH_LAST = 4, 1
FLOOR = 1e-4
"""Variance of a coordinate, relative to their mean, below which it counts as rounding."""


@dataclass(eq=False)
class GuardStats:
    """How often a guard let its edit act, in positions that the edit's scope selects.

    Each position of each row counts once, however often it was computed. Of a generation by the
    model's own `generate` count the positions of the prompt and those that decided a token which
    was kept: none after a row has ended, none of rejected candidates. In loops that call the model
    themselves, all positions up to the end of the last pass count. The counts are those of
    generations that are over and of `steering` contexts that have been left.
    """

    acted: int = 0
    """The number of positions that were edited."""
    selected: int = 0
    """The number of positions that would have been edited without the guard."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, acted: int, selected: int) -> None:
        """Count so many positions more."""
        with self._lock:
            self.acted += acted
            self.selected += selected


@dataclass(frozen=True, eq=False)
class Guard:
    """Lets an edit act only while the row is not in the target language.

    Read are the latents at `layer`, the first layer of the edit, before the edit: for every other
    language `o`, where the latent lies between the mean of `o` (-1) and that of the target (1).
    Coordinates count by the inverse of their variance within languages: the linear discriminant
    with a diagonal covariance (Dudoit, Fridlyand and Speed, 2002). The least of these, averaged
    over the last tokens of the row, is the row's standing.

    The first decision is made at the end of the prompt, from its last `reach` tokens, and holds for
    all of the prompt: what matters is the language of the answer, and a prompt may well hold
    several. The edit acts if the standing is `-margin` or less. Each token of the answer then
    decides anew, from the last `window` tokens, none of them before those: above `margin` the row
    is left alone, at `-margin` or less it is steered; between the two it goes on as before.

    No edit reaches what is read: the layers up to `layer` are never edited, so the latents there
    are those of the unsteered model for the same tokens, whatever was done to earlier columns. An
    edit shows only in the tokens that it led to, which is what the guard is to see. A standing
    depends on the row's tokens alone, not on how the forward passes are cut: with a cache or
    without, alone or in a batch, the guard decides alike.

    `directions` [d, others] and `offsets` [others] are the readout: `z @ directions + offsets`.
    `Readout` works out what follows from it, for any number of rows and whoever runs the model.
    """

    target: str
    layer: int
    directions: Tensor
    offsets: Tensor
    window: int = WINDOW
    margin: float = MARGIN
    reach: int = REACH
    stats: GuardStats = field(default_factory=GuardStats)

    def __post_init__(self) -> None:
        if not 1 <= self.reach <= self.window or self.margin < 0:
            raise SteeringError(
                "a guard's reach must be at least 1, its window not below its reach and its margin "
                f"not below 0, not {self.reach}, {self.window} and {self.margin}"
            )

    @classmethod
    def of(
        cls,
        statistics: Statistics,
        target: str,
        layer: int,
        *,
        others: Sequence[str] | None = None,
        window: int = WINDOW,
        margin: float = MARGIN,
        reach: int | None = None,
    ) -> Guard:
        """The guard for a target language, from the means and variances of its statistics.

        Args:
            statistics: those of the model, in the target language and in others.
            target: the language to be reached.
            layer: the layer at whose output to read: the first layer of the edit.
            others: the languages to tell it from; all others there if None.
            window: how many of the last tokens of an answer count.
            margin: how far from the middle, on a scale of -1 to 1, a row must be to change sides.
            reach: how many of the last tokens of the prompt count; if None, `reach_of`.

        Raises:
            LanguageError: a language is not in the statistics.
            SpaceError: the layer is not in the statistics.
            SteeringError: there is no other language, or one with the same mean.
        """
        goal = choose(target, statistics.languages)
        known = statistics.languages
        rest = known if others is None else [choose(other, known) for other in others]
        apart = [other for other in rest if other != goal]
        if not apart:
            raise SteeringError(f"a guard for {goal} needs another language to tell it from")
        mean = statistics.mean(goal, layer)
        means = torch.stack([statistics.mean(other, layer) for other in apart])
        gap = mean - means
        weighed = gap * precision(statistics, layer)
        squared = (weighed * gap).sum(1)
        if not bool((squared > 0).all()):
            raise SteeringError(f"the mean of {goal} is also that of another language")
        directions = 2 * weighed / squared[:, None]
        offsets = -(directions * (mean + means) / 2).sum(1)
        return cls(
            goal,
            layer,
            directions.T.float().contiguous(),
            offsets.float(),
            window,
            margin,
            min(reach_of(statistics), window) if reach is None else reach,
        )


@dataclass(frozen=True, eq=False)
class GuardState:
    """What guards remember of their rows after a token: nothing is ever changed in it.

    Keep the states of earlier tokens to go back to them, as when candidates are rejected.
    """

    scores: tuple[Tensor, ...]
    """Of the last tokens, the oldest first, at most the window: each [rows, others]."""
    counted: tuple[Tensor | None, ...]
    """For each of them the rows [rows] (bool) in which it counts; None for all rows."""
    acting: Tensor
    """[rows] (bool): whether the edit acts at the last of them."""

    def row(self, row: int) -> GuardState:
        """The state of one of the rows."""
        mine = slice(row, row + 1)
        return GuardState(
            tuple(one[mine] for one in self.scores),
            tuple(None if one is None else one[mine] for one in self.counted),
            self.acting[mine],
        )


@dataclass(frozen=True, eq=False)
class Readout:
    """The guards of some rows, all of one window: what they read, and what they decide from it.

    Rows without a guard have the limits `inf`: their edits always act.
    """

    directions: Tensor
    """[d, others] if all rows have the same guard, else [rows, d, others]."""
    offsets: Tensor
    """[others], or [rows, 1, others]."""
    starts_at: Tensor
    """[rows]: the standing at or below which an edit begins to act."""
    goes_on_at: Tensor
    """[rows]: the standing at or below which an edit that acts goes on."""
    window: int

    @classmethod
    def of(cls, guards: Sequence[Guard | None], device: torch.device) -> Readout:
        """The readout for rows with these guards, at least one of them a guard."""
        given = [guard for guard in guards if guard is not None]
        shown = given[0]
        if all(guard is shown for guard in given):
            directions, offsets = shown.directions, shown.offsets
        else:
            each = [guard or shown for guard in guards]
            directions = torch.stack([guard.directions for guard in each])
            offsets = torch.stack([guard.offsets for guard in each])[:, None]
        margins = [None if guard is None else guard.margin for guard in guards]
        low = [math.inf if margin is None else -margin for margin in margins]
        high = [math.inf if margin is None else margin for margin in margins]
        return cls(
            directions.to(device),
            offsets.to(device),
            torch.tensor(low, device=device),
            torch.tensor(high, device=device),
            shown.window,
        )

    def scores(self, latents: Tensor) -> Tensor:
        """Where latents [rows, n, d] stand to each other language [rows, n, others], in float32."""
        wide = latents.float()
        if self.directions.ndim == 3:
            return torch.baddbmm(self.offsets, wide, self.directions)
        flat = torch.addmm(self.offsets, wide.flatten(0, 1), self.directions)
        return flat.view(*latents.shape[:2], -1)

    def begin(self, scores: Tensor, counted: Tensor | None = None) -> tuple[GuardState, Tensor]:
        """The first decision, from the last tokens of the prompts.

        Args:
            scores: of the last tokens of each prompt, the last of all last: [rows, n, others].
            counted: which of them count [rows, n] (bool); None for all.

        Returns:
            the state at the end of the prompt, and where the edit acts [rows].
        """
        *before, last = scores.unbind(1)
        masks = [None] * scores.shape[1] if counted is None else list(counted.unbind(1))
        acting = torch.zeros_like(self.starts_at, dtype=torch.bool)
        state = GuardState(tuple(before), tuple(masks[:-1]), acting)
        return self.step(state, last, masks[-1])

    def step(
        self, state: GuardState, scores: Tensor, counted: Tensor | None = None
    ) -> tuple[GuardState, Tensor]:
        """The decision at one more token of each row: a function of its arguments alone.

        Args:
            state: what is known of the tokens before it.
            scores: of the token [rows, others].
            counted: the rows in which it counts [rows] (bool); None for all.

        Returns:
            the state after the token, and where the edit acts [rows].
        """
        recent = (*state.scores, scores)[-self.window :]
        masks = (*state.counted, counted)[-self.window :]
        least = _mean(recent, masks).amin(-1)
        limit = torch.where(state.acting, self.goes_on_at, self.starts_at)
        acting = least <= limit
        return GuardState(recent, masks, acting), acting


def _mean(scores: Sequence[Tensor], counted: Sequence[Tensor | None]) -> Tensor:
    """The mean [rows, others] over those scores that count in a row; 0 where none does."""
    stacked = torch.stack(tuple(scores))
    if all(mask is None for mask in counted):
        return stacked.mean(0)
    every = torch.ones_like(stacked[0, :, 0], dtype=torch.bool)
    masks = torch.stack([every if mask is None else mask for mask in counted])[..., None]
    return torch.where(masks, stacked, 0.0).sum(0) / masks.sum(0).clamp(min=1)


def precision(statistics: Statistics, layer: int) -> Tensor:
    """`[d]` float64: inverse variance of each coordinate within languages, pooled over them.

    Variances below `FLOOR` of their mean are raised to that; where they are not known, because no
    language has two texts, all coordinates count alike.
    """
    i, parts = statistics.at(layer), statistics.moments.values()
    scatter = torch.stack([part.scatter[i] for part in parts]).sum(0)
    degrees = sum(part.degrees for part in parts)
    if degrees <= 0 or not bool((scatter > 0).any()):
        return torch.ones_like(scatter)
    variance = scatter / degrees
    return 1 / variance.clamp_min(FLOOR * float(variance.mean()))


def reach_of(statistics: Statistics) -> int:
    """How many tokens at the end of a prompt are of the kind that the means are of.

    Means of last tokens are of the very place where an answer begins. Means of all tokens are those
    of average tokens, and it takes some to be one.
    """
    return REACH_LAST if statistics.pooling == "last" else REACH
