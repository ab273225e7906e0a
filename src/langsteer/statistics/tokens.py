"""How often languages have the same tokens: what they can be compared at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.errors import CorpusError
from langsteer.statistics.folds import FOLDS
from langsteer.statistics.graph import components

SINGLES = 16
"""Tokens that may have a gain of their own."""
OTHERS = -1
"""Stands for all other tokens together."""


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
