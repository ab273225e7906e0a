"""What is left has the same distribution: optimal transport between Gaussians."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from langsteer.edits.maps import Affine, Diagonal, LowRank
from langsteer.estimators.base import Estimator, Problem
from langsteer.estimators.covariance import covariance

RANK = 32


def transport(problem: Problem) -> Affine:
    """The map of least mean squared displacement from N(μ_s, Σ_s) to N(μ_t, Σ_t).

    `T(z) = μ_t + A (z - μ_s)` (Knott and Smith, 1984; Peyré and Cuturi, 2019, remark 2.31). Costs a
    d × d product per token.
    """
    matrix = _matrix(problem)
    bias = problem.mean(problem.target) - matrix @ problem.mean(problem.origin)
    return Affine(matrix.float(), bias.float())


def transport_low_rank(problem: Problem) -> LowRank:
    """The same with `A - I` cut to the directions that it stretches or squeezes most."""
    values, vectors = _spectrum(problem)
    chosen = values.abs().argsort(descending=True)[: problem.rank or RANK]
    right = vectors[:, chosen]
    left = right * values[chosen]
    bias = problem.delta() - left @ (right.T @ problem.mean(problem.origin))
    return LowRank(left.float(), right.float(), bias.float())


def transport_diagonal(problem: Problem) -> Diagonal:
    """Each coordinate by itself: mean and standard deviation of the target.

    Ratios of standard deviations are shrunk towards 1 by their own sampling error.
    """
    i = problem.statistics.at(problem.layer)
    source, target = (
        problem.statistics.moments[language] for language in (problem.origin, problem.target)
    )
    ratio = target.variance()[i] / source.variance()[i]
    usable = ratio.isfinite() & (ratio > 0)
    scale = torch.ones_like(ratio)
    error = sum(2 / max(part.weight**2 / part.weight2 - 1, 1e-9) for part in (source, target))
    scale[usable] = (shrunk_ratio(ratio[usable].log(), error) / 2).exp()
    bias = problem.mean(problem.target) - scale * problem.mean(problem.origin)
    return Diagonal(scale.float(), bias.float())


def shrunk_ratio(logarithm: Tensor, error: float) -> Tensor:
    """Posterior means `[d]` of log ratios of variances, seen with the variance `error` each.

    The log of a variance of n Gaussian values has the sampling variance 2 / (n - 1) (Bartlett and
    Kendall, 1946). The true log ratios are taken to be draws around 0, with the variance that
    those seen have beyond the error (empirical Bayes, as in `shrunken`).
    """
    if not len(logarithm):
        return logarithm
    spread = float(logarithm.square().mean())
    return logarithm * (max(spread - error, 0.0) / spread if spread > 0 else 0.0)


def gaussian_map(source: Tensor, target: Tensor) -> Tensor:
    """`A [d, d]` symmetric positive with `A source A = target`; all positive definite."""
    return map_of_roots(torch.linalg.cholesky(source), torch.linalg.cholesky(target))


def map_of_roots(source: Tensor, target: Tensor) -> Tensor:
    """The same from the lower Cholesky factors L of the source and R of the target, `[d, d]`.

    `A = L⁻ᵀ (Lᵀ R Rᵀ L)^½ L⁻¹`, the root from the singular values of `Rᵀ L`: those of the product
    under the root are their squares, and would lose twice the digits where scales differ.
    """
    _, values, vectors = torch.linalg.svd(target.T @ source)
    half = vectors.T * values.sqrt()
    outer: Tensor = torch.linalg.solve_triangular(source.T, half, upper=True)
    return outer @ outer.T


def _matrix(problem: Problem) -> Tensor:
    """A of the map; that of the opposite direction is its inverse, so one serves both."""
    statistics, layer = problem.statistics, problem.layer
    first, second = sorted((problem.origin, problem.target))

    def root(language: str) -> Tensor:
        return statistics.memo(
            ("root", layer, language),
            lambda: torch.linalg.cholesky(covariance(statistics, layer, language)),
        )

    def make() -> Tensor:
        return map_of_roots(root(first), root(second))

    matrix = statistics.memo(("transport", layer, first, second), make)
    return (
        matrix if problem.origin == first else torch.cholesky_inverse(torch.linalg.cholesky(matrix))
    )


def _spectrum(problem: Problem) -> tuple[Tensor, Tensor]:
    """Eigenvalues `[d]` and eigenvectors `[d, d]` of `A - I`."""
    first, second = sorted((problem.origin, problem.target))
    ahead = replace(problem, source=first, target=second)
    key = ("spectrum", problem.layer, first, second)

    def make() -> Tensor:
        values, vectors = torch.linalg.eigh(_matrix(ahead))
        return torch.cat([values[None], vectors])

    table = problem.statistics.memo(key, make)
    values = table[0] if problem.origin == first else 1 / table[0]
    return values - 1, table[1:]


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
