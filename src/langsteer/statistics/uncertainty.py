"""How well the difference of two languages is known, and how many texts it takes to know it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.statistics import Statistics

GOOD_COSINE = 0.99
"""The predicted cosine of the estimate with the true Δ above which nobody is warned."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of languages at all layers; tensors `[layers, K, K]`, symmetric.

    `norm` is |Δ̂|, `error` is sqrt(tr V) with V the covariance of Δ̂: both in units of the latent.
    """

    norm: Tensor
    error: Tensor

    @property
    def cosine(self) -> Tensor:
        """Predicted cosine of Δ̂ with the true Δ: `sqrt(max(0, 1 - tr V / |Δ̂|²))`.

        As E|Δ̂|² = |Δ|² + tr V and E[Δ̂·Δ] = |Δ|², the cosine is about |Δ| / |Δ̂|. See
        `docs/theory.md`.
        """
        ratio = torch.where(self.error > 0, self.error / self.norm, torch.zeros_like(self.norm))
        return (1 - ratio.square()).clamp_min(0).nan_to_num(0).sqrt()

    def growth(self, cosine: float = GOOD_COSINE) -> Tensor:
        """By which factor the texts must grow for that cosine; infinite where noise hides Δ."""
        error = self.error.square()
        signal = self.norm.square() - error
        allowed = signal * (1 - cosine * cosine) / (cosine * cosine)
        factor = torch.where(error > 0, error / allowed, torch.zeros_like(error))
        return torch.where((signal > 0) | (error == 0), factor, torch.full_like(factor, math.inf))


@dataclass(frozen=True, slots=True)
class DeltaQuality:
    """How well Δ is known at one layer: medians over the pairs of languages.

    `texts_needed` is how many texts the languages need for the worst pair to reach a predicted
    cosine of 0.99 (None where the noise hides Δ); `worst` is that pair with its cosine.
    """

    layer: int
    norm: float
    standard_error: float
    cosine: float
    worst: tuple[str, str]
    worst_cosine: float
    texts_needed: int | None


def delta_error(statistics: Statistics, source: str, target: str) -> Tensor:
    """`[layers, d]`: standard error of μ_target - μ_source.

    Errors are robust to dependence within texts. Where both languages have texts of the same
    concepts, what the translations share cancels in the difference, so their covariance
    `ρ · Σ w_s w_t / sqrt(Σ w_s² Σ w_t²) · se_s · se_t` is taken off, with ρ per coordinate the
    correlation of translations in the two-way model.
    """
    a, b = statistics.moments[source], statistics.moments[target]
    first, second = a.standard_error(), b.standard_error()
    rho = _shared(statistics)[_rows(statistics, source), _rows(statistics, target)]
    shared = rho * statistics.alignment.concept_correlation() * first * second
    variance = first.square() + second.square() - 2 * shared
    return variance.nan_to_num(math.inf).clamp_min(0).sqrt()


def pairs(statistics: Statistics) -> Pairs:
    """Norm and error of Δ̂ for all pairs at all layers."""
    means = torch.stack([part.mean for part in statistics.moments.values()], 1)
    error = error_matrix(statistics)
    own = error.diagonal(dim1=1, dim2=2)
    variance = own[:, :, None] + own[:, None, :] - 2 * error
    variance = torch.where(variance.isnan(), torch.full_like(variance, math.inf), variance)
    diagonal = torch.eye(len(statistics.languages), dtype=torch.bool)
    variance = variance.clamp_min(0).masked_fill(diagonal, 0)
    norm = torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist")
    return Pairs(norm, variance.sqrt())


def error_matrix(statistics: Statistics) -> Tensor:
    """`[layers, K, K]`: sampling covariance of the language means, summed over coordinates.

    For matched means it is theirs, from the jackknife (see `Matching.error`); for those in files of
    version 0.1, which lack it, that of plain means.
    """
    if statistics.matched_error is not None:
        return statistics.matched_error
    parts = statistics.moments.values()
    errors = torch.stack([part.standard_error() for part in parts], 1)
    scaled = errors * statistics.alignment.concept_correlation()[:, None]
    shared = _shared(statistics) * (scaled @ errors.transpose(1, 2)).nan_to_num(0)
    diagonal = torch.eye(len(parts), dtype=torch.bool)
    return torch.where(diagonal, torch.diag_embed(errors.square().sum(-1)), shared)


def predicted_cosine(statistics: Statistics, source: str, target: str) -> Tensor:
    """`[layers]`: predicted cosine of the estimated with the true difference."""
    i, j = _rows(statistics, source), _rows(statistics, target)
    return pairs(statistics).cosine[:, i, j]


def delta_quality(statistics: Statistics) -> list[DeltaQuality]:
    """How well the differences of languages are known, for each layer."""
    table = pairs(statistics)
    growth, cosine = table.growth(), table.cosine
    k = len(statistics.languages)
    upper = torch.triu_indices(k, k, 1)
    found = []
    for i, layer in enumerate(statistics.layers):
        values = cosine[i][upper[0], upper[1]]
        s, t = upper[:, int(values.argmin())].tolist()
        found.append(
            DeltaQuality(
                layer=layer,
                norm=float(table.norm[i][upper[0], upper[1]].median()),
                standard_error=float(table.error[i][upper[0], upper[1]].median()),
                cosine=float(values.median()),
                worst=(statistics.languages[s], statistics.languages[t]),
                worst_cosine=float(values.min()),
                texts_needed=_needed(statistics, s, t, float(growth[i, s, t])),
            )
        )
    return found


def warnings(statistics: Statistics, layers: Sequence[int]) -> list[str]:
    """For each of `layers` where some Δ is not known well: which, how well, and what to do."""
    wanted = set(layers)
    return [
        _warning(statistics, quality)
        for quality in delta_quality(statistics)
        if quality.layer in wanted and quality.worst_cosine < GOOD_COSINE
    ]


def _warning(statistics: Statistics, quality: DeltaQuality) -> str:
    s, t = quality.worst
    have = min(statistics.moments[s].texts, statistics.moments[t].texts)
    said = (
        f"layer {quality.layer}: the difference of {s} and {t} has a predicted cosine of "
        f"{quality.worst_cosine:.3f} with the true one"
    )
    if quality.texts_needed is None:
        return f"{said}: it is lost in the noise, and {have} texts per language are far too few."
    more = max(quality.texts_needed - have, 1)
    return (
        f"{said}, below {GOOD_COSINE}; about {more:,} more texts in each language are needed "
        f"({quality.texts_needed:,} in all)."
    )


def _needed(statistics: Statistics, s: int, t: int, growth: float) -> int | None:
    """Texts for the language of the two that has more of them."""
    if math.isinf(growth):
        return None
    texts = [statistics.moments[statistics.languages[i]].texts for i in (s, t)]
    return math.ceil(max(texts) * growth - 1e-9)


def _shared(statistics: Statistics) -> Tensor:
    """`[K, K]` in [0, 1]: how far the texts of two languages are of the same concepts."""
    squares = [statistics.moments[language].weight2 for language in statistics.languages]
    scale = torch.tensor(squares, dtype=torch.float64).sqrt()
    overlap = statistics.alignment.overlap
    share = overlap / (scale[:, None] * scale[None, :])
    return share.nan_to_num(0).clamp(0, 1)


def _rows(statistics: Statistics, language: str) -> int:
    return statistics.languages.index(language)
