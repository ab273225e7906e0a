"""Translations map linearly: regression of target on source latents of the same concepts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.edits.maps import Affine, LowRank, Map, Shift
from langsteer.errors import CorpusError
from langsteer.estimators.base import Estimator, Problem

PENALTIES = (*(10.0**power for power in range(-4, 5)), math.inf)
"""Penalties that are tried, relative to the mean squared singular value of the source latents."""
ROTATION_PENALTIES = (1e-6, 0.1, 1.0, 10.0, math.inf)
"""The same for rotations, relative to the largest singular value of the cross moments."""
NEGLIGIBLE = 1e-14
RANK = 16
FOLDS = 2
FEWEST = 8


@dataclass(frozen=True, slots=True)
class Ridge:
    """A ridge solution `D = basis @ coefficients`, applied as `(z - mean) @ D`.

    `basis [d, r]` and `values [r]` are the right singular vectors and the singular values of the
    centred source, `coefficients` is `[r, d]`.
    """

    basis: Tensor
    values: Tensor
    coefficients: Tensor
    penalty: float


def ridge(x: Tensor, change: Tensor, penalty: float | None = None) -> Ridge:
    """Minimise `|change - x D|² + penalty |D|²` over D `[d, d]`, means taken out of both `[n, d]`.

    Without a penalty the one with the least leave-one-out error of `PENALTIES` is taken.
    """
    yc = change - change.mean(0)
    u, s, basis = thin(x - x.mean(0))
    return _solution(u, s, basis, yc, best_penalty(u, s, yc) if penalty is None else penalty)


def best_penalty(u: Tensor, s: Tensor, y: Tensor) -> float:
    """The one of `PENALTIES` with the least leave-one-out error; arguments as `leave_one_out`."""
    unit = float(s.square().mean())
    penalties = [unit * one for one in PENALTIES]
    errors = leave_one_out(u, s, y, penalties)
    return penalties[errors.index(min(errors))]


def thin(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Singular values `[r]` with vectors `[n, r]` and `[d, r]` of `x [n, d]`.

    From the smaller Gram matrix, three times as fast as an SVD. Squaring loses the directions
    below 1e-7 of the largest, which a penalty suppresses anyway.
    """
    wide = len(x) <= x.shape[1]
    squares, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = squares > NEGLIGIBLE * squares[-1]
    s, near = squares[kept].sqrt(), vectors[:, kept]
    far = (x.T if wide else x) @ near / s
    return (near, s, far) if wide else (far, s, near)


def leave_one_out(u: Tensor, s: Tensor, y: Tensor, penalties: Sequence[float]) -> list[float]:
    """For each penalty Σ of squared errors at each text, predicted from all others, in closed form.

    `u [n, r]`, `s [r]` are of the centred source's SVD, `y [n, d]` centred. The error at text i is
    its residual over `1 - h_ii` (Allen, 1974), the intercept included in the hat matrix h.
    """
    inside, squares = u.T @ y, u.square()
    # What no penalty changes is taken out in float64; of the rest float32 keeps every digit that
    # a comparison of errors needs, and takes half the time.
    outside = torch.addmm(y, u, inside, alpha=-1).float()
    apart = (1 - 1 / len(y) - squares.sum(1)).clamp_min(0).float()
    u, inside, squares = u.float(), inside.float(), squares.float()
    energy, found = s.square(), []
    for penalty in penalties:
        left = torch.ones_like(s) if math.isinf(penalty) else penalty / (energy + penalty)
        residual = torch.addmm(outside, u * left.float(), inside)
        # A text that decides its own prediction says nothing of others: its error is unbounded.
        spread = (apart + squares @ left.float()).clamp_min(1e-12)
        ratio = torch.linalg.vector_norm(residual, dim=1).double() / spread
        found.append(float(ratio.square().sum()))
    return found


def regression(problem: Problem) -> Map:
    """Ridge of `z_t - z_s` on `z_s`, the penalty by leave-one-out: shrinks `W` towards `I`.

    At an infinite penalty W = I and the map is the difference (Hoerl and Kennard, 1970).
    """
    fitted = _fitted(problem)
    if math.isinf(fitted.penalty):
        return Shift(problem.delta().float())
    return _map(problem, fitted.coefficients.T, fitted.basis)


def regression_low_rank(problem: Problem) -> Map:
    """The same with `W - I` of a rank: reduced-rank ridge regression (Mukherjee and Zhu, 2011)."""
    fitted = _fitted(problem)
    if math.isinf(fitted.penalty):
        return Shift(problem.delta().float())
    weights = (fitted.values.square() + fitted.penalty).sqrt()
    values = weights[:, None] * fitted.coefficients
    # The first right singular vectors, from the smaller Gram matrix as in `thin`.
    _, _, right = thin(values)
    left = right[:, -(problem.rank or RANK) :]
    return _map(problem, left, fitted.basis @ (fitted.coefficients @ left))


def procrustes(problem: Problem) -> Map:
    """The rotation that fits best, pulled towards no rotation as far as cross-validation says.

    Schönemann (1966); the penalty `λ|W - I|²` adds λI to the matrix whose polar factor is taken.
    """
    x, y = pairs(problem)
    xc, yc = x - x.mean(0), y - y.mean(0)
    basis = torch.linalg.qr(torch.cat([xc, yc]).T).Q
    a, b = xc @ basis, yc @ basis
    key = ("procrustes", problem.layer, problem.origin, problem.target)
    penalty = float(problem.statistics.memo(key, lambda: _best_rotation_penalty(a, b)))
    if math.isinf(penalty):
        return Shift(problem.delta().float())
    turned = rotation(a, b, penalty) - torch.eye(basis.shape[1], dtype=torch.float64)
    return _map(problem, basis @ turned, basis)


def rotation(x: Tensor, y: Tensor, penalty: float = 0.0) -> Tensor:
    """Orthogonal `W [m, m]` with the least `|y - x Wᵀ|² + penalty |W - I|²`; rows are texts."""
    cross = y.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    u, _, vh = torch.linalg.svd(cross)
    turned: Tensor = u @ vh
    return turned


def pairs(problem: Problem) -> tuple[Tensor, Tensor]:
    """Latents `[n, d]` of source and target of the same concepts.

    Raises `CorpusError` when there are too few.
    """
    statistics = problem.statistics
    sample = statistics.sample
    sample.require(problem.layer, statistics.layers)
    position = statistics.at(problem.layer)
    x, y = sample.pairs(problem.origin, problem.target, position)
    if len(x) < FEWEST:
        raise CorpusError(
            f"Regression needs at least {FEWEST} concepts that {problem.origin} and "
            f"{problem.target} share, and {len(x)} were kept. Add aligned texts, or use the "
            "estimator 'difference'."
        )
    return x, y


def _fitted(problem: Problem) -> Ridge:
    """The ridge solution of the change; what it takes long to find is found once for each pair."""
    x, y = pairs(problem)
    xc, change = x - x.mean(0), y - x
    yc = change - change.mean(0)
    key = (problem.layer, problem.origin, problem.target)

    def decompose() -> Tensor:
        u, s, _ = thin(xc)
        return torch.cat([s[None], u])

    def choose() -> Tensor:
        return torch.tensor(best_penalty(u, s, yc), dtype=torch.float64)

    table = problem.statistics.memo(("thin", *key), decompose)
    s, u = table[0], table[1:]
    penalty = float(problem.statistics.memo(("ridge", *key), choose))
    return _solution(u, s, xc.T @ u / s, yc, penalty)


def _solution(u: Tensor, s: Tensor, basis: Tensor, y: Tensor, penalty: float) -> Ridge:
    gains = torch.zeros_like(s) if math.isinf(penalty) else s / (s.square() + penalty)
    return Ridge(basis, s, gains[:, None] * (u.T @ y), penalty)


def _map(problem: Problem, left: Tensor, right: Tensor) -> Map:
    """`z + left rightᵀ (z - μ_s) + Δ`: thin where that is less work than a full product."""
    bias = problem.delta() - left @ (right.T @ problem.mean(problem.origin))
    if 2 * left.shape[1] < problem.statistics.width:
        return LowRank(left.float(), right.float(), bias.float())
    matrix = left @ right.T
    matrix.diagonal().add_(1)
    return Affine(matrix.float(), bias.float())


def _best_rotation_penalty(x: Tensor, y: Tensor) -> Tensor:
    """The penalty with the least error on held-out folds."""
    unit = float(torch.linalg.matrix_norm(y.T @ x, 2))
    fold = torch.arange(len(x)) % FOLDS
    eye = torch.eye(x.shape[1], dtype=x.dtype)

    def error(penalty: float) -> float:
        total = 0.0
        for k in range(FOLDS):
            train, test = fold != k, fold == k
            turned = eye if math.isinf(penalty) else rotation(x[train], y[train], penalty)
            total += float((y[test] - x[test] @ turned.T).square().sum())
        return total

    best = min((unit * one for one in ROTATION_PENALTIES), key=error)
    return torch.tensor(best, dtype=torch.float64)


REGRESSION = Estimator(
    "regression",
    "ridge of target on source latents of aligned texts",
    regression,
    aligned=True,
    sample=True,
)
REGRESSION_LOW_RANK = Estimator(
    "regression-low-rank",
    f"ridge with W - I of low rank ({RANK} by default)",
    regression_low_rank,
    aligned=True,
    sample=True,
    ranked=True,
)
PROCRUSTES = Estimator(
    "procrustes",
    "the best rotation from source to target latents of aligned texts",
    procrustes,
    aligned=True,
    sample=True,
)
