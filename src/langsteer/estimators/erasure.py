"""No linear information about the language is left; then the target's is put in."""

from __future__ import annotations

import torch
from torch import Tensor

from langsteer.edits.maps import LowRank
from langsteer.estimators.base import Estimator, Problem
from langsteer.estimators.covariance import covariance, solve

NEGLIGIBLE = 1e-10
"""Directions whose share of the largest one's weight is below this are rounding."""


def erasure(problem: Problem) -> LowRank:
    """`T(z) = z - P (z - μ_target)`, P the least-squares concept eraser of all languages (LEACE).

    Belrose et al. (2023), LEACE: Perfect linear concept erasure in closed form, section 4:
    among the affine maps after which the language cannot be told linearly, z - P(z - μ) moves the
    latents least. With a rank, only the directions that tell the languages apart best are erased.
    """
    statistics, layer = problem.statistics, problem.layer
    key = ("erasure", layer, problem.rank)
    pair = statistics.memo(
        key,
        lambda: torch.stack(oblique(problem.means(), covariance(statistics, layer), problem.rank)),
    )
    return replace_by(problem.mean(problem.target), pair[0], pair[1])


def exchange(problem: Problem) -> LowRank:
    """`T(z) = z - UUᵀ(z - μ_target)`, U an orthonormal basis of the differences of the means.

    With a rank, the first principal components of the language means.
    """
    key = ("exchange", problem.layer, problem.rank)
    basis = problem.statistics.memo(key, lambda: orthonormal(problem.means(), problem.rank))
    return replace_by(problem.mean(problem.target), basis, basis)


def oblique(means: Tensor, within: Tensor, rank: int | None = None) -> tuple[Tensor, Tensor]:
    """`left, right [d, r]` with `P = left rightᵀ`, `rightᵀ left = I`.

    `means [K, d]`, `within [d, d]` the covariance within languages. P has the span of the centred
    means as its range and is self-adjoint in the metric Σ⁻¹. The covariance between languages may
    be added to `within` or not: P is the same (see `docs/theory.md`). r is at most K - 1.
    """
    between = (means - means.mean(0)).T
    dual = solve(within, between)
    values, vectors = torch.linalg.eigh(between.T @ dual)
    chosen = _largest(values, rank)
    turn = vectors[:, chosen] / values[chosen].sqrt()
    return between @ turn, dual @ turn


def orthonormal(means: Tensor, rank: int | None = None) -> Tensor:
    """`[d, r]`: orthonormal principal components of `means [K, d]`; r is at most K - 1."""
    _, values, vectors = torch.linalg.svd(means - means.mean(0), full_matrices=False)
    basis: Tensor = vectors[_largest(values.square(), rank)].T.contiguous()
    return basis


def replace_by(target: Tensor, left: Tensor, right: Tensor) -> LowRank:
    """`z - left rightᵀ (z - target)`."""
    return LowRank(-left.float(), right.float(), (left @ (right.T @ target)).float())


def _largest(values: Tensor, rank: int | None) -> Tensor:
    """Positions of the largest values, at most `rank`, without the negligible ones."""
    order = values.argsort(descending=True)
    kept = order[values[order] > NEGLIGIBLE * values.max()]
    return kept[:rank]


ERASURE = Estimator(
    "erasure",
    "erase all linear traces of language (LEACE), insert the target's mean",
    erasure,
    source=False,
    second_moments="pooled",
    ranked=True,
)
EXCHANGE = Estimator(
    "exchange",
    "exchange the coordinates in the subspace of the language means",
    exchange,
    source=False,
    ranked=True,
)
