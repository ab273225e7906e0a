"""How well matched means are known: what happens to them when some of the texts are left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.statistics.graph import components
from langsteer.statistics.sample import key_of

FOLDS = 16
SKETCH = 32
"""Coordinates that stand for all: few numbers, as errors are needed in sum over coordinates."""

Solve = Callable[[Tensor, Tensor], Tensor]
"""From both sides of normal equations, `[G, K, K]` and `[layers, G, K, r]`, to `[layers, K, r]`."""


def fold_of(concept: str | None, text: str) -> int:
    """The fold of a text: that of its concept, as translations do not err independently."""
    return key_of(("c" + concept if concept is not None else "t" + text).encode()) % FOLDS


def sketch(width: int) -> Tensor:
    """`[d, r]`: random signs that keep squared norms in expectation (Achlioptas, 2003)."""
    if width <= SKETCH:
        return torch.eye(width, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (width, SKETCH), generator=generator)
    return (2.0 * signs.double() - 1) / math.sqrt(SKETCH)


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
    def empty(cls, languages: int, groups: int, layers: int, width: int) -> Jackknife:
        """That of no text."""
        r = min(width, SKETCH)
        return cls(
            torch.zeros(FOLDS, dtype=torch.float64),
            torch.zeros(FOLDS, groups, languages, languages, dtype=torch.float64),
            torch.zeros(layers, FOLDS, groups, languages, r, dtype=torch.float64),
        )

    @staticmethod
    def bytes(languages: int, groups: int, layers: int, width: int) -> int:
        """Bytes of memory that it takes."""
        return FOLDS * groups * languages * (layers * min(width, SKETCH) + languages) * 8

    def count(self, contrasts: Tensor, groups: Tensor, folds: Tensor) -> None:
        """Count tokens of these `groups [n]` and `folds [n]`.

        `contrasts [n, F, K]`: what each is compared with when a fold is left out; zero for its own.
        """
        self.tokens += torch.bincount(folds, minlength=FOLDS)
        for group in sorted(set(groups.tolist())):
            rows = contrasts[groups == group].transpose(0, 1)
            self.laplacian[:, group] += rows.mT @ rows

    def add(self, layer: int, contrasts: Tensor, groups: Tensor, latents: Tensor) -> None:
        """Add `latents [n, d]` float64 of such tokens at position `layer`."""
        reduced = (latents @ sketch(latents.shape[1]).to(latents.device)).cpu()
        f, _, k, _ = self.laplacian.shape
        for group in sorted(set(groups.tolist())):
            here = groups == group
            sums = contrasts[here].flatten(1).T @ reduced[here]
            self.moment[layer, :, group] += sums.reshape(f, k, -1)

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
