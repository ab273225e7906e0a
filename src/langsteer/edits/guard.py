"""Steer only where it is needed: read the language of the stream, and act while it is wrong."""

from __future__ import annotations

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
class Tally:
    """How often a guard let its edit act, in positions that the edit's scope selects.

    Each position of each row counts once, however often it was computed. Of a generation by the
    model's own `generate` count the positions of the prompt and those that decided a token which
    was kept: none after a row has ended, none of rejected candidates. In loops that call the model
    themselves, all positions up to the end of the last pass count. The counts are those of
    generations that are over and of `steering` blocks that have been left.
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

    No edit reaches what is read: the blocks up to `layer` are never edited, so the latents there
    are those of the unsteered model for the same tokens, whatever was done to earlier columns. An
    edit shows only in the tokens that it led to, which is what the guard is to see. A standing
    depends on the row's tokens alone, not on how the forward passes are cut: with a cache or
    without, alone or in a batch, the guard decides alike.

    `directions` [d, others] and `offsets` [others] are the readout: `z @ directions + offsets`.
    """

    target: str
    layer: int
    directions: Tensor
    offsets: Tensor
    window: int = WINDOW
    margin: float = MARGIN
    reach: int = REACH
    tally: Tally = field(default_factory=Tally)

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
            layer: the block at whose output to read: the first layer of the edit.
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
