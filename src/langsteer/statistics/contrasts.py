"""Tokens of a batch, ready to be compared between languages: how their latents add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.statistics.devices import sent
from langsteer.statistics.folds import FOLDS
from langsteer.statistics.tokens import TokenTable


@dataclass(frozen=True, slots=True)
class Contrasts:
    """What each token is compared with: the shares of the languages among the tokens of its id.

    `group [C]` of each id of the table; `shares [C, K]`, and `without [F, C, K]` with each fold of
    the texts left out (None where folds are not known). All float64 on the CPU.
    """

    table: TokenTable
    group: Tensor
    groups: int
    shares: Tensor
    without: Tensor | None

    @classmethod
    def of(cls, table: TokenTable) -> Contrasts:
        """That of a table of tokens."""
        group, tokens = table.groups()
        without = None
        if table.by_fold is not None:
            left = table.counts - table.by_fold
            without = left / left.sum(-1, keepdim=True).clamp_min(1)
        shares = table.counts / table.counts.sum(1, keepdim=True)
        return cls(table, group, len(tokens), shares, without)

    def tokens(
        self,
        ids: Tensor,
        language: Tensor,
        folds: Tensor | None = None,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> ContrastedTokens:
        """The tokens with these `ids [n]`, in languages `language [n]` and texts of `folds [n]`.

        Those of one language alone are left out: they say nothing about languages. Latents of
        `dtype` on `device` are added up by them.
        """
        known = torch.isin(ids, self.table.ids).nonzero()[:, 0]
        place = torch.searchsorted(self.table.ids, ids[known])
        order = self.group[place].argsort(stable=True)
        rows, place = known[order], place[order]
        fold = torch.zeros_like(rows) if folds is None else folds[rows]
        return ContrastedTokens(self, rows, place, language[rows], fold, _Sums.of(
            self, place, language[rows], fold, device or torch.device("cpu"), dtype
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class ContrastedTokens:
    """Tokens sorted by group: `rows [n]` of the given ones, and for each its `place` in the table,
    its `language` and its `fold`."""

    contrasts: Contrasts
    rows: Tensor
    place: Tensor
    language: Tensor
    fold: Tensor
    sums: _Sums

    def laplacian(self) -> Tensor:
        """`[G, K, K]`: Σ over tokens of `r rᵀ` with `r = e_l - n_c / N_c`."""
        k = len(self.contrasts.table.languages)
        found = torch.zeros(self.contrasts.groups, k, k, dtype=torch.float64)
        for group, places, counts in self._counted():
            found[group] = _products(counts.sum(0), self.contrasts.shares[places])
        return found

    def laplacian_without(self) -> Tensor:
        """`[F, G, K, K]`: the same of the tokens of all folds but one, compared among themselves.

        Only where the table knows folds.
        """
        k, without = len(self.contrasts.table.languages), self.contrasts.without
        found = torch.zeros(FOLDS, self.contrasts.groups, k, k, dtype=torch.float64)
        for group, places, counts in self._counted():
            if without is not None:
                found[:, group] = _products(counts.sum(0) - counts, without[:, places])
        return found

    def _counted(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Each group with its places `[P]`, and how many tokens are there, `[F, P, K]`."""
        k = len(self.contrasts.table.languages)
        places, at = torch.unique(self.place, return_inverse=True)
        index = (self.fold * len(places) + at) * k + self.language
        counts = torch.bincount(index, minlength=FOLDS * len(places) * k).double()
        counts = counts.reshape(FOLDS, len(places), k)
        groups = self.contrasts.group[places]
        for group in sorted(set(groups.tolist())):
            mine = groups == group
            yield group, places[mine], counts[:, mine]


@dataclass(frozen=True, slots=True)
class _Sums:
    """How latents of tokens, sorted by group, add up to moments.

    A token counts by `e_l - n_c / N_c`. The first part is a sum over each group and language, whose
    places are in `bucket [n]`; the second, for a group of one token, is a share of the sum over
    languages, `single [G, K]`; for the last group, that of all `others`, each has its own, a row of
    `shares [m, K]`. With a fold left out the same: `bucket_without [n]` over folds, groups and
    languages, `single_without [F, G, K]`, and `shares_without [m, F·K]`.
    """

    bucket: Tensor
    single: Tensor
    shares: Tensor
    bucket_without: Tensor
    single_without: Tensor | None
    shares_without: Tensor | None

    @classmethod
    def of(
        cls,
        contrasts: Contrasts,
        place: Tensor,
        language: Tensor,
        fold: Tensor,
        device: torch.device,
        dtype: torch.dtype,
    ) -> _Sums:
        """The sums of tokens at these places of the table."""
        k, groups = len(contrasts.table.languages), contrasts.groups
        group = contrasts.group[place]
        bucket = group * k + language
        others = place[group == groups - 1]
        singles = contrasts.group < groups - 1
        single = torch.zeros(groups, k, dtype=torch.float64)
        single[contrasts.group[singles]] = contrasts.shares[singles]
        alone = own = None
        if contrasts.without is not None:
            alone = torch.zeros(FOLDS, groups, k, dtype=torch.float64)
            alone[:, contrasts.group[singles]] = contrasts.without[:, singles]
            own = contrasts.without[:, others].transpose(0, 1).to(dtype)
            # A token that is left out itself is compared with nothing.
            own[torch.arange(len(others)), fold[group == groups - 1]] = 0
            own = own.flatten(1)

        return cls(
            sent(bucket, device),
            sent(single.to(dtype), device),
            sent(contrasts.shares[others].to(dtype), device),
            sent(fold * groups * k + bucket, device),
            None if alone is None else sent(alone.to(dtype), device),
            None if own is None else sent(own, device),
        )

    def moment(self, latents: Tensor) -> Tensor:
        """`[G, K, d]` of latents `[n, d]`."""
        g, k = self.single.shape
        sums = latents.new_zeros(g * k, latents.shape[1]).index_add_(0, self.bucket, latents)
        found = sums.reshape(g, k, -1)
        found = found - self.single[..., None] * found.sum(1, keepdim=True)
        found[-1] -= self.shares.T @ latents[len(latents) - len(self.shares) :]
        return found

    def moment_without(self, latents: Tensor) -> Tensor | None:
        """`[F, G, K, r]` of latents `[n, r]`; None where folds are not known."""
        if self.single_without is None or self.shares_without is None:
            return None
        g, k = self.single.shape
        sums = latents.new_zeros(FOLDS * g * k, latents.shape[1])
        sums = sums.index_add_(0, self.bucket_without, latents).reshape(FOLDS, g, k, -1)
        left = sums.sum(0) - sums
        found = left - self.single_without[..., None] * left.sum(2, keepdim=True)
        others = latents[len(latents) - len(self.shares) :]
        found[:, -1] -= (self.shares_without.T @ others).reshape(FOLDS, k, -1)
        return found


def _products(counts: Tensor, shares: Tensor) -> Tensor:
    """`[..., K, K]`: Σ_c of `n (e - s)(e - s)ᵀ` over languages, from `[..., P, K]` of both."""
    crossed = counts.mT @ shares
    squared = (shares * counts.sum(-1, keepdim=True)).mT @ shares
    return torch.diag_embed(counts.sum(-2)) - crossed - crossed.mT + squared
