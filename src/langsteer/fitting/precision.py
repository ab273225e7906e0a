"""When a language is known well enough to be read no further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from langsteer.statistics import Statistics
from langsteer.statistics.folds import FOLDS
from langsteer.statistics.jackknife import sketch
from langsteer.statistics.uncertainty import error_matrix, pairs

GROWTH = 1.25
"""By what factor the texts grow between two looks."""
FIRST = 4 * FOLDS
"""Texts before the first look."""
NORMAL = 1.645
"""The 95 % quantile of the normal distribution."""


class Precision:
    """Follows how well the differences between languages are known while texts come in.

    Δ̂ = Δ + e with e of covariance V, so that cos² is about |Δ|² / (|Δ|² + |e|²). What `pairs` says
    of |Δ|² and tr V is what is expected; here the cosine is to be reached with 95 % confidence,
    and |e|² scatters about tr V as a sum of squares with ν = (tr V)² / tr V² degrees of freedom
    (Satterthwaite, 1946). ν comes from the jackknife over folds of the texts, in sketched latents:
    with few folds it is rather too small, and the bound too careful.

    Args:
        target: the cosine that each difference is to reach at all layers that are read.
        languages: the languages.
        layers: how many layers are read.
        width: of the latents.
        device: where latents come from.
    """

    def __init__(
        self,
        target: float,
        languages: Sequence[str],
        layers: int,
        width: int,
        device: torch.device | None = None,
    ) -> None:
        self._target, self._languages = target, tuple(languages)
        self._sketch = sketch(width).to(device or "cpu", torch.float32)
        r = self._sketch.shape[1]
        shape = (FOLDS, len(languages), layers, r)
        self.sums = torch.zeros(shape, dtype=torch.float64, device=device)
        self.weights = torch.zeros(FOLDS, len(languages), dtype=torch.float64)

    def add(
        self, means: Tensor, weights: Tensor, languages: Sequence[str], folds: Sequence[int]
    ) -> None:
        """Take texts with mean latents `means [n, layers, d]` and `weights [n]` on the CPU."""
        spoken = torch.tensor([self._languages.index(one) for one in languages])
        place = torch.tensor(folds) * len(self._languages) + spoken
        heavy = weights.to(self.sums.device, torch.float64)[:, None, None]
        small = (means.float() @ self._sketch).double() * heavy
        self.sums.flatten(0, 1).index_add_(0, place.to(small.device), small)
        self.weights.flatten().index_add_(0, place, weights.double())

    def known(self, statistics: Statistics) -> frozenset[str]:
        """The languages that need no more texts, by statistics on the CPU.

        Each difference from another is known, or the language's own part of its error is at most
        half of what is allowed: then the rest is the other's to do.
        """
        table, factor = pairs(statistics), quantile(self.degrees())
        error = table.error.square()
        signal = (table.norm.square() - error).clamp_min(0)
        allowed = signal * (self._target**-2 - 1) / factor
        own = error_matrix(statistics).diagonal(dim1=1, dim2=2)[:, :, None]
        enough = ((error <= allowed) | (2 * own <= allowed)).all(0)
        enough |= torch.eye(len(enough), dtype=torch.bool)
        return frozenset(one for row, one in enumerate(self._languages) if bool(enough[row].all()))

    def degrees(self) -> Tensor:
        """`[layers, K, K]`: ν of each pair; 1, the least there is, where a fold has no texts."""
        sums, weights = self.sums.cpu(), self.weights
        left = (weights.sum(0) - weights)[:, :, None, None]
        means = (sums.sum(0) - sums) / left.clamp_min(torch.finfo(torch.float64).tiny)
        apart = (means - means.mean(0)).permute(2, 1, 0, 3)  # [layers, K, F, r]
        degrees = torch.stack([_degrees(layer) for layer in apart])
        full = (weights > 0).all(0)
        usable = full[:, None] & full[None] & degrees.isfinite()
        return torch.where(usable, degrees, torch.ones_like(degrees)).clamp_min(1)

    def state(self) -> dict[str, Tensor]:
        """What is known so far, to be kept."""
        return {"precision.sums": self.sums.cpu(), "precision.weights": self.weights}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self.sums = state["precision.sums"].to(self.sums.device)
        self.weights = state["precision.weights"]


def _degrees(apart: Tensor) -> Tensor:
    """`[K, K]` from what is apart in each fold, `[K, F, r]`."""
    gram = torch.einsum("afr,bgr->abfg", apart, apart)
    own = torch.einsum("aafg->afg", gram)
    both = own[:, None] + own[None] - gram - gram.transpose(0, 1)
    trace = both.diagonal(dim1=-2, dim2=-1).sum(-1)
    found: Tensor = trace.square() / both.square().sum((-2, -1))
    return found


def quantile(degrees: Tensor) -> Tensor:
    """The 95 % quantile of a χ² variable over its mean (Wilson and Hilferty, 1931)."""
    share = 2 / (9 * degrees)
    found: Tensor = (1 - share + NORMAL * share.sqrt()) ** 3
    return found
