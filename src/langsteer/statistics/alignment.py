"""The two-way model of aligned texts, kept as its normal equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from langsteer.errors import CorpusError
from langsteer.statistics.graph import components


class Shares(NamedTuple):
    """Shares of the variance of text latents, each `[layers]`; the three sum to one."""

    concept: Tensor
    language: Tensor
    rest: Tensor


@dataclass(slots=True)
class Alignment:
    """Texts grouped by concept: `z = m + a_concept + b_language + rest`, by least squares.

    Eliminating the concepts leaves one small system for the languages, `laplacian @ b = moment`,
    whose two sides are sums over concepts: one streaming pass, memory O(layers·K·d).
    Every text counts once, whatever its length. Concepts seen in one language only say nothing
    about languages and are left out.

    Shapes: `counts [K]` texts, `laplacian [K, K]`, `overlap [K, K]` (Σ over concepts of the
    product of the two languages' weights), `moment [layers, K, d]`, `within [layers, d]`
    (scatter about concept means), `mean [layers, K, d]` and `spread [layers, d]` (scatter about
    language means).
    """

    languages: tuple[str, ...]
    concepts: int
    counts: Tensor
    laplacian: Tensor
    overlap: Tensor
    moment: Tensor
    within: Tensor
    mean: Tensor
    spread: Tensor

    @classmethod
    def empty(
        cls,
        languages: Sequence[str],
        layers: int,
        width: int,
        device: torch.device | None = None,
    ) -> Alignment:
        """The alignment of no text, on `device`."""
        k = len(languages)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)

        return cls(
            languages=tuple(languages),
            concepts=0,
            counts=zeros(k),
            laplacian=zeros(k, k),
            overlap=zeros(k, k),
            moment=zeros(layers, k, width),
            within=zeros(layers, width),
            mean=zeros(layers, k, width),
            spread=zeros(layers, width),
        )

    @classmethod
    def of(
        cls,
        means: Tensor,
        weights: Tensor,
        languages: Sequence[str],
        concepts: Sequence[str | None],
        known: Sequence[str],
    ) -> Alignment:
        """Alignment of the texts that have a concept shared by at least two languages.

        It is on the device of `means`; with weights on the CPU nothing waits for that device.
        `means [n, layers, d]`, `weights [n]`; `known` gives the order of the languages.
        """
        kept, rows, groups = _grouped(languages, concepts, known)
        device = means.device
        part = cls.empty(known, means.shape[1], means.shape[2], device)
        if not kept:
            return part
        z = means[kept].double()
        language, concept = torch.tensor(rows), torch.tensor(groups)
        none = torch.zeros(max(groups) + 1, len(known), dtype=torch.float64)
        one = torch.ones(len(kept), dtype=torch.float64)
        heavy = weights[kept].to("cpu", torch.float64)
        mass = none.index_put((concept, language), heavy, accumulate=True).to(device)
        members = none.index_put((concept, language), one, accumulate=True).to(device)
        language, concept = language.to(device), concept.to(device)
        size = members.sum(1)
        residual = z - _group_means(z, concept, size)[concept]
        part.concepts = len(size)
        part.counts = members.sum(0)
        part.laplacian = torch.diag(part.counts) - (members / size[:, None]).T @ members
        part.overlap = mass.T @ mass
        part.moment.index_add_(1, language, residual.transpose(0, 1))
        part.within = residual.square().sum(0)
        centre = _group_means(z, language, part.counts.clamp_min(1))
        part.mean = centre.transpose(0, 1).contiguous()
        part.spread = (z - centre[language]).square().sum(0)
        return part

    def merge(self, other: Alignment) -> Alignment:
        """The alignment of the texts of both; `other` must list the same languages."""
        if self.languages != other.languages:
            raise ValueError(f"Different languages: {self.languages} and {other.languages}.")
        counts = self.counts + other.counts
        share = other.counts / counts.clamp_min(1)
        gap = other.mean - self.mean
        between = (self.counts * share)[None, :, None] * gap * gap
        return Alignment(
            languages=self.languages,
            concepts=self.concepts + other.concepts,
            counts=counts,
            laplacian=self.laplacian + other.laplacian,
            overlap=self.overlap + other.overlap,
            moment=self.moment + other.moment,
            within=self.within + other.within,
            mean=self.mean + gap * share[None, :, None],
            spread=self.spread + other.spread + between.sum(1),
        )

    def to(self, device: torch.device) -> Alignment:
        """The same, on a device."""
        return replace(
            self,
            counts=self.counts.to(device),
            laplacian=self.laplacian.to(device),
            overlap=self.overlap.to(device),
            moment=self.moment.to(device),
            within=self.within.to(device),
            mean=self.mean.to(device),
            spread=self.spread.to(device),
        )

    def over(self, languages: Sequence[str]) -> Alignment:
        """The same alignment, its languages in the order of (and padded to) `languages`."""
        if tuple(languages) == self.languages:
            return self
        layers, _, width = self.moment.shape
        wide = Alignment.empty(languages, layers, width)
        at = torch.tensor([wide.languages.index(language) for language in self.languages])
        wide.concepts = self.concepts
        wide.counts[at] = self.counts
        wide.laplacian[at[:, None], at] = self.laplacian
        wide.overlap[at[:, None], at] = self.overlap
        wide.moment[:, at] = self.moment
        wide.mean[:, at] = self.mean
        wide.within, wide.spread = self.within, self.spread
        return wide

    def components(self) -> list[tuple[str, ...]]:
        """Groups of languages that share concepts, directly or by way of others."""
        return [tuple(self.languages[i] for i in group) for group in components(self.laplacian < 0)]

    def groups(self) -> Tensor:
        """`[K]`: the number of the component that each language is in."""
        found = torch.zeros(len(self.languages), dtype=torch.int64)
        for number, group in enumerate(self.components()):
            for language in group:
                found[self._at(language)] = number
        return found

    def effects(self) -> Tensor:
        """`b [layers, K, d]`: the least-squares language effects, summing to zero over languages.

        Raises `CorpusError` naming the groups when the languages do not hang together.
        """
        groups = self.components()
        if len(groups) > 1:
            listed = "; ".join(" ".join(group) for group in groups)
            raise CorpusError(
                f"The languages fall into groups without a concept in common: {listed}. Add texts "
                "with shared concepts across the groups, or use the estimator 'difference'."
            )
        return self.solution()

    def solution(self) -> Tensor:
        """`b [layers, K, d]`: least-squares effects, summing to zero over each group of languages.

        Only differences within a group mean anything: see `components`.
        """
        return self._inverse() @ self.moment

    def require_connected(self, source: str, target: str) -> None:
        """Raise `CorpusError` when no concepts connect the two languages."""
        group = self.groups()
        if group[self._at(source)] == group[self._at(target)]:
            return
        raise CorpusError(
            f"No concept connects {source} with {target}, directly or by way of other languages. "
            "Add aligned texts of the two, or use the estimator 'difference'."
        )

    def contrast(self, source: str, target: str) -> Tensor:
        """`b_target - b_source [layers, d]`; `CorpusError` when nothing connects the two."""
        self.require_connected(source, target)
        effects = self.solution()
        return effects[:, self._at(target)] - effects[:, self._at(source)]

    def contrast_error(self, source: str, target: str) -> Tensor:
        """`[layers, d]`: standard error of `contrast` when the rest is independent and alike."""
        self.require_connected(source, target)
        pick = torch.zeros(len(self.languages), dtype=torch.float64)
        pick[self._at(target)], pick[self._at(source)] = 1, -1
        return (self.rest_variance() * (pick @ self._inverse() @ pick)).sqrt()

    def rest_variance(self) -> Tensor:
        """`[layers, d]`: unbiased variance of the rest of the two-way model."""
        freedom = self._freedom()[2]
        if freedom <= 0:
            return torch.full_like(self.within, torch.inf)
        return self._squares()[2] / freedom

    def concept_correlation(self) -> Tensor:
        """`[layers, d]` in [0, 1]: correlation of two translations within their languages.

        It is what aligned texts share, and so what cancels in the difference of two means.
        """
        freedom = float(self.counts.sum()) - int((self.counts > 0).sum())
        if freedom <= 0 or self._freedom()[2] <= 0:
            return torch.zeros_like(self.spread)
        whole = self.spread / freedom
        shared = 1 - self.rest_variance() / whole
        return torch.where(whole > 0, shared, torch.zeros_like(shared)).clamp(0, 1)

    def coordinate_shares(self) -> Shares:
        """As `shares`, each coordinate's own on average, however large the coordinate is.

        In some models one coordinate holds half of the variance, and the output does not feel it.
        Raises `CorpusError` without aligned texts.
        """
        self._require_concepts()
        parts = torch.stack(self._squares())
        total = parts.sum(0)
        varies = total > 0
        each = torch.where(varies, parts / torch.where(varies, total, torch.ones_like(total)), 0.0)
        concept, language, _ = each.sum(-1) / varies.sum(-1).clamp_min(1)
        return Shares(concept, language, 1 - concept - language)

    def shares(self, *, adjusted: bool = False) -> Shares:
        """Shares of the total scatter per layer due to concept, language and rest; they sum to 1.

        Sums of squares are sequential (concepts first), which is the only decomposition when every
        concept has every language. `adjusted` takes from concept and language the part that
        noise alone would give them (Hays' omega squared). Raises `CorpusError` without aligned
        texts.
        """
        self._require_concepts()
        concept, language, rest = (part.sum(-1) for part in self._squares())
        total = concept + language + rest
        if adjusted:
            for_concept, for_language, for_rest = self._freedom()
            noise = rest / max(for_rest, 1)
            concept = (concept - for_concept * noise).clamp_min(0)
            language = (language - for_language * noise).clamp_min(0)
        # Latents that do not vary at all have no shares; calling everything rest keeps the sum.
        safe = torch.where(total > 0, total, torch.ones_like(total))
        concept, language = concept / safe, language / safe
        return Shares(concept, language, 1 - concept - language)

    def _require_concepts(self) -> None:
        if not self.concepts:
            raise CorpusError(
                "Shares of variance need aligned texts, and no concept occurs in two languages. "
                "Give the corpus a column with the concept of each text."
            )

    def _squares(self) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of squares `[layers, d]` of concept, language given concept, and rest."""
        texts = self.counts.sum().clamp_min(1)
        grand = (self.mean * self.counts[None, :, None]).sum(1) / texts
        apart = (self.mean - grand[:, None]).square() * self.counts[None, :, None]
        total = self.spread + apart.sum(1)
        language = (self.solution() * self.moment).sum(1)
        rest = (self.within - language).clamp_min(0)
        return (total - self.within).clamp_min(0), language, rest

    def _freedom(self) -> tuple[float, float, float]:
        """Degrees of freedom of concept, language and rest."""
        present = int((self.counts > 0).sum())
        islands = len(self.components()) - int((self.counts == 0).sum())
        language = present - islands
        rest = float(self.counts.sum()) - self.concepts - language
        return self.concepts - 1.0, float(language), rest

    def _inverse(self) -> Tensor:
        """The pseudo-inverse of the Laplacian; its null space is the constants of each group."""
        inverse: Tensor = torch.linalg.pinv(self.laplacian, rtol=1e-10, hermitian=True)
        return inverse

    def _at(self, language: str) -> int:
        return self.languages.index(language)


def _grouped(
    languages: Sequence[str], concepts: Sequence[str | None], known: Sequence[str]
) -> tuple[list[int], list[int], list[int]]:
    """Texts to keep, and for each its language and its concept, as numbers."""
    seen: dict[str, set[str]] = {}
    for language, concept in zip(languages, concepts, strict=True):
        if concept is not None:
            seen.setdefault(concept, set()).add(language)
    shared = [concept for concept, tongues in seen.items() if len(tongues) > 1]
    number = {concept: i for i, concept in enumerate(shared)}
    row = {language: i for i, language in enumerate(known)}
    kept = [i for i, concept in enumerate(concepts) if concept in number]
    return (
        kept,
        [row[languages[i]] for i in kept],
        [number[str(concepts[i])] for i in kept],
    )


def _group_means(z: Tensor, group: Tensor, size: Tensor) -> Tensor:
    """`[groups, layers, d]`: means of `z [n, layers, d]` over each group."""
    offset = z[0]
    sums = z.new_zeros(len(size), *z.shape[1:])
    sums.index_add_(0, group, z - offset)
    return offset + sums / size[:, None, None]
