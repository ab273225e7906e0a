"""What is left has the same distribution: optimal transport between Gaussians."""

from __future__ import annotations

import torch
from torch import Tensor

from langsteer.estimators.base import Estimator, Problem
from langsteer.estimators.covariance import covariance
from langsteer.maps import Affine, Diagonal, LowRank

RANK = 32


def transport(problem: Problem) -> Affine:
    """The map of least mean squared displacement from N(μ_s, Σ_s) to N(μ_t, Σ_t).

    `T(z) = μ_t + A (z - μ_s)` (Knott and Smith, 1984; Peyré and Cuturi, 2019, remark 2.31). Costs a
    d × d product per token.
    """
    matrix = _matrix(problem)
    return Affine(matrix.float(), _bias(problem, matrix).float())


def transport_low_rank(problem: Problem) -> LowRank:
    """The same with `A - I` cut to the directions that it stretches or squeezes most."""
    eye = torch.eye(problem.statistics.width, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(_matrix(problem) - eye)
    chosen = values.abs().argsort(descending=True)[: problem.rank or RANK]
    right = vectors[:, chosen]
    left = right * values[chosen]
    bias = problem.delta() - left @ (right.T @ problem.mean(problem.origin))
    return LowRank(left.float(), right.float(), bias.float())


def transport_diagonal(problem: Problem) -> Diagonal:
    """Each coordinate by itself: mean and standard deviation of the target."""
    i = problem.statistics.at(problem.layer)
    source, target = (
        problem.statistics.moments[language].variance()[i]
        for language in (problem.origin, problem.target)
    )
    usable = source.isfinite() & target.isfinite() & (source > 0)
    ratio = torch.where(usable, target / source.where(usable, torch.ones_like(source)), 1.0)
    scale = ratio.sqrt()
    bias = problem.mean(problem.target) - scale * problem.mean(problem.origin)
    return Diagonal(scale.float(), bias.float())


def gaussian_map(source: Tensor, target: Tensor, root: Tensor | None = None) -> Tensor:
    """`A [d, d]` symmetric positive with `A source A = target`; all positive definite.

    With `source = L Lᵀ` it is `L⁻ᵀ (Lᵀ target L)^½ L⁻¹`; `root` is L, where it is at hand.
    """
    lower = torch.linalg.cholesky(source) if root is None else root
    values, vectors = torch.linalg.eigh(lower.T @ target @ lower)
    half = vectors * values.clamp_min(0).sqrt().sqrt()
    outer: Tensor = torch.linalg.solve_triangular(lower.T, half, upper=True)
    return outer @ outer.T


def _matrix(problem: Problem) -> Tensor:
    statistics, layer = problem.statistics, problem.layer
    source = covariance(statistics, layer, problem.origin)
    root = statistics.memo(("root", layer, problem.origin), lambda: torch.linalg.cholesky(source))
    return gaussian_map(source, covariance(statistics, layer, problem.target), root)


def _bias(problem: Problem, matrix: Tensor) -> Tensor:
    return problem.mean(problem.target) - matrix @ problem.mean(problem.origin)


TRANSPORT = Estimator(
    "transport",
    "Gaussian optimal transport, a full matrix",
    transport,
    second_moments="language",
)
TRANSPORT_LOW_RANK = Estimator(
    "transport-low-rank",
    f"Gaussian optimal transport, its strongest directions ({RANK} by default)",
    transport_low_rank,
    second_moments="language",
    ranked=True,
)
TRANSPORT_DIAGONAL = Estimator(
    "transport-diagonal",
    "optimal transport of each coordinate by itself",
    transport_diagonal,
)
