"""Languages compared at the same tokens: the two-way model whose concepts are token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from langsteer.statistics.contrasts import ContrastedTokens
from langsteer.statistics.jackknife import Jackknife, sketch
from langsteer.statistics.tokens import OTHERS, SINGLES

LEAST_GAIN = 0.05
"""Least gain of a token, relative to the largest: what connects languages stays connected."""
ROUNDS, AGAIN = 50, 5
"""Rounds of alternating least squares, from the beginning and from gains that nearly fit."""


@dataclass(slots=True)
class Matching:
    """Tokens grouped by id: `z = m + a_token + g_token b_language + rest`, by least squares.

    Without the token effects `a`, the mean of a language holds whatever its tokens are. Eliminating
    them leaves the normal equations `laplacian @ b = moment`, with `moment = Σ z (e_l - n_c / N_c)`
    over all tokens: linear in the latents, for the counts are known from tokenising alone. So one
    streaming pass does, nothing is kept by text or by token, and what is kept is kept for each of
    a few groups of tokens: the languages differ by more at some tokens (where a word is about to
    begin) than at others, by a gain `g` in (0, 1] for each group. With `g = 1` this is the additive
    two-way model; with gains it is that of Mandel (1961), Non-additivity in two-way analysis of
    variance, a 'bundle of straight lines'.

    Parts made with one table add up to exactly what one pass gives; parts made each with its own
    table add up to the least squares in which the same id in two parts is two concepts.

    Shapes: `tokens [G]` ids of the groups, ascending, the last for all others; `counts [K]` tokens
    that can be compared, `laplacian [G, K, K]`, `moment [layers, G, K, d]` and
    `plain [layers, K, d]`, the language means before matching. `jackknife` has the same sums by
    folds of the texts, for their error.
    """

    languages: tuple[str, ...]
    tokens: tuple[int, ...]
    counts: Tensor
    laplacian: Tensor
    moment: Tensor
    plain: Tensor
    jackknife: Jackknife
    gains: bool = True

    @classmethod
    def empty(
        cls,
        languages: Sequence[str],
        tokens: Sequence[int],
        layers: int,
        width: int,
        device: torch.device | None = None,
    ) -> Matching:
        """The matching of no token, in groups of these `tokens`; what is large is on `device`."""
        k, g = len(languages), len(tokens)
        return cls(
            tuple(languages),
            tuple(tokens),
            torch.zeros(k, dtype=torch.float64),
            torch.zeros(g, k, k, dtype=torch.float64),
            torch.zeros(layers, g, k, width, dtype=torch.float64, device=device),
            torch.zeros(layers, k, width, dtype=torch.float64),
            Jackknife.empty(k, g, layers, width, device),
        )

    def to(self, device: torch.device) -> Matching:
        """The same, what is large on a device."""
        return replace(self, moment=self.moment.to(device), jackknife=self.jackknife.to(device))

    @staticmethod
    def bytes(languages: int, layers: int, width: int) -> int:
        """Bytes of memory that matching takes."""
        errors = Jackknife.bytes(languages, SINGLES + 1, layers, width)
        return (SINGLES + 2) * languages * layers * width * 8 + errors

    def count(self, tokens: ContrastedTokens) -> None:
        """Count tokens."""
        self.counts += torch.bincount(tokens.language, minlength=len(self.languages))
        self.laplacian += tokens.laplacian()
        self.jackknife.count(tokens)

    def add(self, layer: int, tokens: ContrastedTokens, latents: Tensor) -> None:
        """Add the `latents [n, d]` of tokens, in the order of their `rows`, at position `layer`.

        They add up in their own dtype on their device, and are then folded into float64.
        """
        self.fold(layer, *self.sums(tokens, latents))

    @staticmethod
    def sums(tokens: ContrastedTokens, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        """What such latents add, `[G, K, d]` and for the jackknife `[F, G, K, r]`."""
        return tokens.sums.moment(latents), Jackknife.sums(tokens, latents)

    def fold(self, layer: int, moment: Tensor, without: Tensor | None) -> None:
        """Fold sums in at position `layer`."""
        self.moment[layer] += moment.to(self.moment)
        self.jackknife.fold(layer, without)

    def merge(self, other: Matching) -> Matching:
        """The matching of the tokens of both; `plain` is left as it is in the first."""
        names = tuple(dict.fromkeys(self.languages + other.languages))
        tokens = (*sorted({*self.tokens, *other.tokens} - {OTHERS}), OTHERS)
        a, b = self.over(names, tokens), other.over(names, tokens)
        return replace(
            a,
            counts=a.counts + b.counts,
            laplacian=a.laplacian + b.laplacian,
            moment=a.moment + b.moment,
            jackknife=a.jackknife.merge(b.jackknife),
        )

    def over(self, languages: Sequence[str], tokens: Sequence[int]) -> Matching:
        """The same matching, its languages and groups in this order, with more of them."""
        if (tuple(languages), tuple(tokens)) == (self.languages, self.tokens):
            return self
        layers, _, _, width = self.moment.shape
        wide = Matching.empty(languages, tokens, layers, width)
        at = torch.tensor([wide.languages.index(language) for language in self.languages])
        group = torch.tensor([wide.tokens.index(token) for token in self.tokens])
        wide.counts[at] = self.counts
        wide.laplacian[group[:, None, None], at[:, None], at] = self.laplacian
        wide.moment[:, group[:, None], at] = self.moment
        wide.plain[:, at] = self.plain
        wide.jackknife = self.jackknife.over(len(languages), len(tokens), at, group)
        return replace(wide, gains=self.gains)

    def additive(self) -> Tensor:
        """`b [layers, K, d]`: least-squares language effects with all gains 1, summing to zero."""
        return additive(self.laplacian, self.moment)

    def scaled(self) -> tuple[Tensor, Tensor]:
        """`b [layers, K, d]` and `g [layers, G]`: effects and gains, least squares together.

        The largest gain is 1, so `b` is how far apart the languages are at the tokens at which
        they are farthest apart. Alternating: each half step is a least-squares solution.
        """
        return scaled(self.laplacian, self.moment)

    def error(self) -> Tensor:
        """`[layers, K, K]`: sampling covariance of the effects, summed over coordinates.

        By the jackknife over folds of texts, so that neither the tokens of one text nor the
        translations of one concept are taken to be independent. See `docs/theory.md`.
        """
        if not self.gains:
            return self.jackknife.error(additive)
        moment = self.moment @ sketch(self.moment.shape[-1])
        gains = scaled(self.laplacian, moment)[1]
        return self.jackknife.error(lambda left, right: scaled(left, right, gains, AGAIN)[0])

    def means(self, weights: Tensor) -> Tensor:
        """`[layers, K, d]`: `m + b`, with m such that their mean by `weights [K]` is unchanged."""
        share = (weights / weights.sum()).nan_to_num(0)
        effects = self.scaled()[0] if self.gains else self.additive()
        gap = ((self.plain - effects) * share[None, :, None]).sum(1, keepdim=True)
        return gap + effects


def additive(laplacian: Tensor, moment: Tensor) -> Tensor:
    """`b [layers, K, d]` from `laplacian [G, K, K]` and `moment [layers, G, K, d]`, all gains 1."""
    inverse = torch.linalg.pinv(laplacian.sum(0), rtol=1e-10, hermitian=True)
    effects: Tensor = inverse @ moment.sum(1)
    return effects


def scaled(
    laplacian: Tensor, moment: Tensor, gains: Tensor | None = None, rounds: int = ROUNDS
) -> tuple[Tensor, Tensor]:
    """`b [layers, K, d]` and `g [layers, G]` of the same, beginning with gains `[layers, G]`."""
    if gains is None:
        effects = additive(laplacian, moment)
        gains = torch.ones(len(moment), len(laplacian), dtype=torch.float64)
    else:
        effects = _given_gains(laplacian, moment, gains)
    for _ in range(rounds):
        product = torch.einsum("lgkd,lkd->lg", moment, effects)
        square = torch.einsum("gij,lij->lg", laplacian, effects @ effects.mT)
        # A group without tokens has no gain of its own: 0 / 0.
        gains = (product / square).nan_to_num(0).clamp_min(0)
        gains = (gains / gains.amax(1, keepdim=True)).nan_to_num(1).clamp_min(LEAST_GAIN)
        effects = _given_gains(laplacian, moment, gains)
    return effects, gains


def _given_gains(laplacian: Tensor, moment: Tensor, gains: Tensor) -> Tensor:
    left = torch.einsum("lg,gij->lij", gains.square(), laplacian)
    right = torch.einsum("lg,lgkd->lkd", gains, moment)
    effects: Tensor = torch.linalg.pinv(left, rtol=1e-10, hermitian=True) @ right
    return effects
