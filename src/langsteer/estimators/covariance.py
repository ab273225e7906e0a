"""Covariances that can be inverted: shrunk towards their diagonal by as much as is best."""

from __future__ import annotations

import torch
from torch import Tensor

from langsteer.statistics import Statistics

FLOOR = 1e-10
"""Variance of a coordinate, relative to the largest, below which it counts as noise of rounding."""
LEAST = 1e-5
"""Least shrinkage: float32 sums may leave correlations that are not quite positive definite."""


def covariance(statistics: Statistics, layer: int, language: str | None = None) -> Tensor:
    """`[d, d]`: shrunk covariance within a language, or pooled within all of them (None).

    Raises `SpaceError` when the second moments were not collected.
    """

    def make() -> Tensor:
        raw = statistics.covariance(layer, language)
        return shrunk(raw, observations(statistics, layer, language))

    return statistics.memo(("covariance", layer, language), make)


def observations(statistics: Statistics, layer: int, language: str | None = None) -> float:
    """How many independent latents would know the mean as well: `tr Σ / tr V`, V the mean's error.

    For texts of equal weight it is their number; tokens of one text count as much as they are
    independent (Kish's design effect).
    """
    i = statistics.at(layer)
    parts = statistics.moments
    chosen = list(parts.values()) if language is None else [parts[language]]
    spread = statistics.covariance(layer, language).diagonal().sum()
    errors = [float(part.standard_error()[i].square().sum()) for part in chosen]
    known = sum(float(spread) / error for error in errors if 0 < error < float("inf"))
    return max(known, 2.0)


def shrunk(raw: Tensor, n: float) -> Tensor:
    """`(1 - ρ) S + ρ diag S`, with the ρ of `intensity` for the correlation matrix of S.

    Shrinking correlations and not covariances leaves coordinates of very different scale, which
    residual streams have, as they are.
    """
    variance = raw.diagonal()
    scale = variance.clamp_min(FLOOR * float(variance.max().clamp_min(1e-300))).sqrt()
    correlation = raw / scale[:, None] / scale[None, :]
    rho = max(LEAST, intensity(correlation, n))
    correlation = correlation * (1 - rho)
    correlation.diagonal().fill_(1.0)
    return correlation * scale[:, None] * scale[None, :]


def intensity(s: Tensor, n: float) -> float:
    """Oracle-approximating intensity of shrinkage of `s [p, p]` to a multiple of the identity.

    Chen, Wiesel, Eldar and Hero (2010), Shrinkage algorithms for MMSE covariance estimation,
    eq. 23: the fixed point of the oracle's intensity for Gaussian data.
    """
    p = len(s)
    square, trace = float(s.square().sum()), float(s.trace())
    apart = square - trace * trace / p
    if apart <= 0:
        return 1.0
    rho = ((1 - 2 / p) * square + trace * trace) / ((n + 1 - 2 / p) * apart)
    return min(1.0, rho)


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """`matrix⁻¹ right` for a positive definite `[d, d]` and `[d, r]`."""
    scale = matrix.diagonal().clamp_min(1e-300).sqrt()
    factor = torch.linalg.cholesky(matrix / scale[:, None] / scale[None, :])
    return torch.cholesky_solve(right / scale[:, None], factor) / scale[:, None]
