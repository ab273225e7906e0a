"""Languages compared at the same tokens: the two-way model whose concepts are token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from langsteer.errors import CorpusError
from langsteer.statistics.graph import components
from langsteer.statistics.jackknife import FOLDS, Jackknife, sketch

SINGLES = 16
"""Tokens that may have a gain of their own."""
OTHERS = -1
"""Stands for all other tokens together."""
LEAST_GAIN = 0.05
"""Least gain of a token, relative to the largest: what connects languages stays connected."""
ROUNDS, AGAIN = 50, 5
"""Rounds of alternating least squares, from the beginning and from gains that nearly fit."""


@dataclass(frozen=True, slots=True)
class TokenTable:
    """How often each token id occurs in each language, for the ids that two or more have.

    `ids [C]` ascending; `counts [C, K]`, in the order of `languages`; `by_fold [F, C, K]` the same
    in each fold of the texts, where the folds are known.
    """

    languages: tuple[str, ...]
    ids: Tensor
    counts: Tensor
    by_fold: Tensor | None = None

    @classmethod
    def of(
        cls,
        languages: Sequence[str],
        texts: Iterable[tuple[str, Sequence[int]]],
        folds: Sequence[int] | None = None,
    ) -> TokenTable:
        """The table of texts, each given as its language and its token ids; `folds` of the same."""
        found = {language: [Counter[int]() for _ in range(FOLDS)] for language in languages}
        for number, (language, ids) in enumerate(texts):
            found[language][0 if folds is None else folds[number]].update(ids)
        seen = Counter(token for parts in found.values() for token in set().union(*parts))
        shared = sorted(token for token, tongues in seen.items() if tongues > 1)
        counts = [
            [[float(found[language][fold][token]) for language in languages] for token in shared]
            for fold in range(FOLDS)
        ]
        by_fold = torch.tensor(counts, dtype=torch.float64).reshape(FOLDS, -1, len(languages))
        return cls(
            tuple(languages),
            torch.tensor(shared, dtype=torch.int64),
            by_fold.sum(0),
            None if folds is None else by_fold,
        )

    def groups(self) -> tuple[Tensor, tuple[int, ...]]:
        """`[C]`: the group of each id, and the token of each group (`OTHERS` for the last).

        Of the tokens that at least half of the languages have, the `SINGLES` that say most about
        languages have a group each; all others have one together. What few languages have cannot
        tell how far apart languages are at a token from how far apart just these few are.
        """
        total = self.counts.sum(1)
        said = total - self.counts.square().sum(1) / total
        common = 2 * (self.counts > 0).sum(1) >= len(self.languages)
        order = said.argsort(descending=True, stable=True)
        best = order[common[order]][:SINGLES].sort().values
        group = torch.full((len(self.ids),), len(best), dtype=torch.int64)
        group[best] = torch.arange(len(best))
        return group, (*self.ids[best].tolist(), OTHERS)

    def laplacian(self) -> Tensor:
        """`[K, K]`: `diag(n_l) - Σ_c n_c n_cᵀ / N_c`, the left side of the normal equations."""
        share = self.counts / self.counts.sum(1, keepdim=True)
        return torch.diag(self.counts.sum(0)) - share.T @ self.counts

    def require_connected(self) -> None:
        """Raise `CorpusError` naming the groups when no tokens lead from one to the other.

        One language alone cannot be compared either.
        """
        if len(self.languages) < 2:
            raise CorpusError(
                f"Tokens are compared between languages, and there is only {self.languages[0]}. "
                "Give texts in two or more, or a table of tokens that counts two or more."
            )
        groups = components(self.laplacian() < 0)
        if len(groups) > 1:
            named = "; ".join(" ".join(self.languages[i] for i in group) for group in groups)
            raise CorpusError(
                f"The languages fall into groups that share no token: {named}. Add texts with "
                "numbers, names or punctuation in common, leave languages out, or use the pooling "
                "'tokens'."
            )

    def contrasts(self, ids: Tensor, language: Tensor) -> tuple[Tensor, Tensor]:
        """The row `e_l - n_c / N_c` and the group of tokens with `ids [n]` and `language [n]`.

        `[n, K]` and `[n]`. The row is zero for an id that one language alone has: it says nothing
        about languages.
        """
        group, tokens = self.groups()
        rows = torch.zeros(len(ids), len(self.languages), dtype=torch.float64)
        groups = torch.full((len(ids),), len(tokens) - 1, dtype=torch.int64)
        if not len(self.ids):
            return rows, groups
        place = torch.searchsorted(self.ids, ids).clamp_max(len(self.ids) - 1)
        known = self.ids[place] == ids
        counts = self.counts[place[known]]
        rows[known] = -counts / counts.sum(1, keepdim=True)
        rows[known, language[known]] += 1
        groups[known] = group[place[known]]
        return rows, groups

    def contrasts_without(self, ids: Tensor, language: Tensor, folds: Tensor) -> Tensor | None:
        """`[n, F, K]`: the contrasts of tokens with each fold left out; zero for its own tokens.

        `folds [n]` are those of the texts of the tokens. None where the table has no folds.
        """
        if self.by_fold is None:
            return None
        rows = torch.zeros(len(ids), FOLDS, len(self.languages), dtype=torch.float64)
        if not len(self.ids):
            return rows
        place = torch.searchsorted(self.ids, ids).clamp_max(len(self.ids) - 1)
        known = self.ids[place] == ids
        for fold in range(FOLDS):
            here = (known & (folds != fold)).nonzero()[:, 0]
            counts = (self.counts - self.by_fold[fold])[place[here]]
            rows[here, fold] = -counts / counts.sum(1, keepdim=True).clamp_min(1)
            rows[here, fold, language[here]] += 1
        return rows


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
        cls, languages: Sequence[str], tokens: Sequence[int], layers: int, width: int
    ) -> Matching:
        """The matching of no token, in groups of these `tokens`."""
        k, g = len(languages), len(tokens)
        return cls(
            tuple(languages),
            tuple(tokens),
            torch.zeros(k, dtype=torch.float64),
            torch.zeros(g, k, k, dtype=torch.float64),
            torch.zeros(layers, g, k, width, dtype=torch.float64),
            torch.zeros(layers, k, width, dtype=torch.float64),
            Jackknife.empty(k, g, layers, width),
        )

    @staticmethod
    def bytes(languages: int, layers: int, width: int) -> int:
        """Bytes of memory that matching takes."""
        errors = Jackknife.bytes(languages, SINGLES + 1, layers, width)
        return (SINGLES + 2) * languages * layers * width * 8 + errors

    def count(self, contrasts: Tensor, groups: Tensor, language: Tensor) -> None:
        """Count tokens with `contrasts [n, K]` and `groups [n]`, in languages `language [n]`."""
        for group in sorted(set(groups.tolist())):
            rows = contrasts[groups == group]
            self.laplacian[group] += rows.T @ rows
        self.counts.index_add_(0, language, (contrasts != 0).any(1).double())

    def add(self, layer: int, contrasts: Tensor, groups: Tensor, latents: Tensor) -> None:
        """Add `latents [n, d]` of such tokens at position `layer`."""
        wide = latents.double()
        for group in sorted(set(groups.tolist())):
            here = groups == group
            sums = contrasts[here].to(wide.device).T @ wide[here.to(wide.device)]
            self.moment[layer, group] += sums.cpu()

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
        share = weights / weights.sum()
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
