"""Languages compared at the same tokens: the two-way model whose concepts are token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.errors import CorpusError
from langsteer.statistics.graph import components


@dataclass(frozen=True, slots=True)
class TokenTable:
    """How often each token id occurs in each language, for the ids that two or more have.

    `ids [C]` ascending; `counts [C, K]`, in the order of `languages`.
    """

    languages: tuple[str, ...]
    ids: Tensor
    counts: Tensor

    @classmethod
    def of(cls, languages: Sequence[str], texts: Iterable[tuple[str, Sequence[int]]]) -> TokenTable:
        """The table of texts, each given as its language and its token ids."""
        found: dict[str, Counter[int]] = {language: Counter() for language in languages}
        for language, ids in texts:
            found[language].update(ids)
        seen = Counter(token for counts in found.values() for token in counts)
        shared = sorted(token for token, tongues in seen.items() if tongues > 1)
        counts = [[float(found[language][token]) for language in languages] for token in shared]
        return cls(
            tuple(languages),
            torch.tensor(shared, dtype=torch.int64),
            torch.tensor(counts, dtype=torch.float64).reshape(-1, len(languages)),
        )

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

    def contrasts(self, ids: Tensor, language: Tensor) -> Tensor:
        """`[n, K]`: the row `e_l - n_c / N_c` of every token, by its id `[n]` and language `[n]`.

        Zero for an id that one language alone has: it says nothing about languages.
        """
        rows = torch.zeros(len(ids), len(self.languages), dtype=torch.float64)
        if not len(self.ids):
            return rows
        place = torch.searchsorted(self.ids, ids).clamp_max(len(self.ids) - 1)
        known = self.ids[place] == ids
        counts = self.counts[place[known]]
        rows[known] = -counts / counts.sum(1, keepdim=True)
        rows[known, language[known]] += 1
        return rows


@dataclass(slots=True)
class Matching:
    """Tokens grouped by id: `z = m + a_token + b_language + rest`, by least squares.

    Without the token effects, the mean of a language holds whatever its tokens are. Eliminating
    them leaves `laplacian @ b = moment`, with `moment = Σ z (e_l - n_c / N_c)` over all tokens:
    linear in the latents, for the counts are known from tokenising alone. So one streaming pass
    and O(layers·K·d) memory do, and nothing is kept by token. Parts made with one table add up to
    exactly what one pass gives; parts made each with its own table add up to the least squares in
    which the same id in two parts is two concepts: unbiased, with somewhat more error.

    Shapes: `counts [K]` tokens that can be compared, `laplacian [K, K]`, `moment [layers, K, d]`
    and `plain [layers, K, d]`, the language means before matching.
    """

    languages: tuple[str, ...]
    counts: Tensor
    laplacian: Tensor
    moment: Tensor
    plain: Tensor

    @classmethod
    def empty(cls, languages: Sequence[str], layers: int, width: int) -> Matching:
        """The matching of no token."""
        k = len(languages)
        return cls(
            tuple(languages),
            torch.zeros(k, dtype=torch.float64),
            torch.zeros(k, k, dtype=torch.float64),
            torch.zeros(layers, k, width, dtype=torch.float64),
            torch.zeros(layers, k, width, dtype=torch.float64),
        )

    def count(self, contrasts: Tensor, language: Tensor) -> None:
        """Count tokens with the rows `contrasts [n, K]`, in the languages `language [n]`."""
        self.laplacian += contrasts.T @ contrasts
        compared = (contrasts != 0).any(1).double()
        self.counts.index_add_(0, language, compared)

    def add(self, layer: int, contrasts: Tensor, latents: Tensor) -> None:
        """Add `latents [n, d]` of tokens with the rows `contrasts [n, K]` at position `layer`."""
        wide = latents if latents.device.type != "mps" else latents.cpu()
        sums = contrasts.to(wide.device).T @ wide.double()
        self.moment[layer] += sums.cpu()

    def merge(self, other: Matching) -> Matching:
        """The matching of the tokens of both; `plain` is left as it is in the first."""
        names = tuple(dict.fromkeys(self.languages + other.languages))
        a, b = self.over(names), other.over(names)
        return Matching(
            names, a.counts + b.counts, a.laplacian + b.laplacian, a.moment + b.moment, a.plain
        )

    def over(self, languages: Sequence[str]) -> Matching:
        """The same matching, its languages in the order of (and padded to) `languages`."""
        if tuple(languages) == self.languages:
            return self
        layers, _, width = self.moment.shape
        wide = Matching.empty(languages, layers, width)
        at = torch.tensor([wide.languages.index(language) for language in self.languages])
        wide.counts[at] = self.counts
        wide.laplacian[at[:, None], at] = self.laplacian
        wide.moment[:, at] = self.moment
        wide.plain[:, at] = self.plain
        return wide

    def effects(self) -> Tensor:
        """`b [layers, K, d]`: the least-squares language effects, summing to zero."""
        inverse = torch.linalg.pinv(self.laplacian, rtol=1e-10, hermitian=True)
        effects: Tensor = inverse @ self.moment
        return effects

    def means(self, weights: Tensor) -> Tensor:
        """`[layers, K, d]`: `m + b`, with m such that their mean by `weights [K]` is unchanged."""
        share = weights / weights.sum()
        effects = self.effects()
        gap = ((self.plain - effects) * share[None, :, None]).sum(1, keepdim=True)
        return gap + effects
