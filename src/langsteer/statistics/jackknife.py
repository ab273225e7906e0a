"""How well matched means are known: what happens to them when some of the texts are left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from langsteer.statistics.contrasts import ContrastedTokens
from langsteer.statistics.folds import FOLDS
from langsteer.statistics.graph import components

SKETCH = 32
"""Coordinates that stand for all: few numbers, as errors are needed in sum over coordinates."""

Solve = Callable[[Tensor, Tensor], Tensor]
"""From both sides of normal equations, `[G, K, K]` and `[layers, G, K, r]`, to `[layers, K, r]`."""


def sketch(width: int) -> Tensor:
    """`[d, r]`: random signs that keep squared norms in expectation (Achlioptas, 2003)."""
    if width <= SKETCH:
        return torch.eye(width, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (width, SKETCH), generator=generator)
    return (2.0 * signs.double() - 1) / math.sqrt(SKETCH)


@cache
def _sketch_on(width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return sketch(width).to(device, dtype)


@dataclass(slots=True)
class Jackknife:
    """The normal equations of a matching without each fold of its texts, in sketched latents.

    `tokens [F]` in each fold; `laplacian [F, G, K, K]` and `moment [layers, F, G, K, r]` of the
    others, float64. The tokens left are compared among each other, so that the effect of a token
    cancels here as it does in the whole. All of it sums like other statistics.
    """

    tokens: Tensor
    laplacian: Tensor
    moment: Tensor

    @classmethod
    def empty(
        cls,
        languages: int,
        groups: int,
        layers: int,
        width: int,
        device: torch.device | None = None,
    ) -> Jackknife:
        """That of no text; what is large is on `device`."""
        r = min(width, SKETCH)
        return cls(
            torch.zeros(FOLDS, dtype=torch.float64),
            torch.zeros(FOLDS, groups, languages, languages, dtype=torch.float64),
            torch.zeros(layers, FOLDS, groups, languages, r, dtype=torch.float64, device=device),
        )

    @staticmethod
    def bytes(languages: int, groups: int, layers: int, width: int) -> int:
        """Bytes of memory that it takes."""
        return FOLDS * groups * languages * (layers * min(width, SKETCH) + languages) * 8

    def count(self, tokens: ContrastedTokens) -> None:
        """Count tokens; nothing where the folds of their texts are not known."""
        if tokens.contrasts.without is not None:
            self.tokens += torch.bincount(tokens.fold, minlength=FOLDS)
            self.laplacian += tokens.laplacian_without()

    @staticmethod
    def sums(tokens: ContrastedTokens, latents: Tensor) -> Tensor | None:
        """`[F, G, K, r]` of latents `[n, d]` of tokens; None where folds are not known."""
        if tokens.contrasts.without is None:
            return None
        reduced = latents @ _sketch_on(latents.shape[1], latents.device, latents.dtype)
        return tokens.sums.moment_without(reduced)

    def fold(self, layer: int, sums: Tensor | None) -> None:
        """Fold sums in at position `layer`."""
        if sums is not None:
            self.moment[layer] += sums.to(self.moment)

    def to(self, device: torch.device) -> Jackknife:
        """The same, what is large on a device."""
        return replace(self, moment=self.moment.to(device))

    def merge(self, other: Jackknife) -> Jackknife:
        """That of the texts of both."""
        return Jackknife(
            self.tokens + other.tokens,
            self.laplacian + other.laplacian,
            self.moment + other.moment,
        )

    def over(self, languages: int, groups: int, at: Tensor, group: Tensor) -> Jackknife:
        """The same with more languages and groups: ours are those at `at` and `group`."""
        layers, _, _, _, r = self.moment.shape
        wide = Jackknife.empty(languages, groups, layers, r)
        wide.tokens += self.tokens
        wide.laplacian[:, group[:, None, None], at[:, None], at] = self.laplacian
        wide.moment[:, :, group[:, None], at] = self.moment
        return wide

    def error(self, solve: Solve) -> Tensor:
        """`[layers, K, K]`: covariance of the effects, summed over coordinates.

        The delete-a-group jackknife (Kott, 2001): with n folds that hold texts, (n - 1)/n times the
        scatter of the effects without each of them. Infinite for fewer than two folds, and for
        languages that hang together with the others by the texts of one fold alone.
        """
        folds = self.tokens.nonzero()[:, 0].tolist()
        layers, k = self.moment.shape[0], self.moment.shape[3]
        if len(folds) < 2:
            return torch.full((layers, k, k), math.inf, dtype=torch.float64)
        left_out, loose = [], set()
        for fold in folds:
            loose |= _loose(self.laplacian[fold].sum(0))
            left_out.append(solve(self.laplacian[fold], self.moment[:, fold]))
        effects = torch.stack(left_out)
        apart = effects - effects.mean(0)
        error = torch.einsum("flid,fljd->lij", apart, apart) * ((len(folds) - 1) / len(folds))
        for language in loose:
            error[:, language, language] = math.inf
        return error


def _loose(laplacian: Tensor) -> set[int]:
    """Languages that are not connected with most of the others; rounding connects nobody."""
    groups: Sequence[list[int]] = components(laplacian < -1e-9 * laplacian.abs().max())
    largest = max(groups, key=len)
    return {language for group in groups if group is not largest for language in group}
