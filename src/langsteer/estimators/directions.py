"""Baselines that find a direction and move the mean along it by as much as it differs."""

from __future__ import annotations

import torch
from torch import Tensor

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem
from langsteer.estimators.covariance import covariance, solve

PENALTY = 1.0
ROUNDING = 1e-15
PARTS, PASSES = 64, 9
STEPS = 100


def pca(problem: Problem) -> Shift:
    """Along the first principal component of both languages' latents together."""
    statistics, layer, delta = problem.statistics, problem.layer, problem.delta()

    def make() -> Tensor:
        values, vectors = torch.linalg.eigh(covariance(statistics, layer))
        return torch.cat([values[None], vectors])

    table = statistics.memo(("pca", layer), make)
    return along(leading(table[0], table[1:], delta / 2), delta)


def lda(problem: Problem) -> Shift:
    """Along `Σ⁻¹Δ`, the direction of Fisher's linear discriminant."""
    statistics, layer = problem.statistics, problem.layer
    duals = statistics.memo(
        ("lda", layer), lambda: solve(covariance(statistics, layer), problem.means().T)
    )
    row = statistics.languages.index
    return along(duals[:, row(problem.target)] - duals[:, row(problem.origin)], problem.delta())


def probe(problem: Problem) -> Shift:
    """Along the weights of a logistic regression that tells the two languages apart."""
    statistics = problem.statistics
    statistics.sample.require(problem.layer, statistics.layers)
    position = statistics.at(problem.layer)
    source, target = (
        statistics.sample.latents(language, position)[0]
        for language in (problem.origin, problem.target)
    )
    x = torch.cat([source, target])
    # In units of the latents' own spread the penalty means the same at every layer.
    x = x / (x - x.mean(0)).square().mean().sqrt().clamp_min(1e-300)
    label = torch.cat([torch.zeros(len(source)), torch.ones(len(target))]).double()
    return along(logistic(x, label)[0], problem.delta())


def along(direction: Tensor, delta: Tensor) -> Shift:
    """The part of `delta [d]` along a direction `[d]`: natural units, whatever its length."""
    unit = direction / direction.norm().clamp_min(1e-300)
    return Shift(((unit @ delta) * unit).float())


def leading(values: Tensor, vectors: Tensor, spike: Tensor) -> Tensor:
    """First eigenvector `[d]` of `vectors diag(values) vectorsᵀ + spike spikeᵀ`, ascending values.

    Its eigenvalue is the largest root of `1 = Σ x_i² / (t - values_i)`, with x the coordinates of
    the spike (Golub, 1973, Some modified matrix eigenvalue problems); between two of `PARTS` at a
    time, as the sum falls with t.
    """
    x = vectors.T @ spike
    weight = x.square()
    low, high = float(values[-1]), float(values[-1] + weight.sum())
    steps = torch.arange(1, PARTS, dtype=values.dtype) / PARTS
    for _ in range(PASSES):
        between = low + (high - low) * steps
        above = int(((weight / (between[:, None] - values)).sum(1) > 1).sum())
        edges = [low, *between.tolist(), high]
        low, high = edges[above], edges[above + 1]
    if high - float(values[-1]) <= ROUNDING * high:
        return vectors[:, -1]
    return vectors @ (x / (high - values))


def discriminant(source: Tensor, target: Tensor, within: Tensor) -> tuple[Tensor, float]:
    """Weights `[d]` and intercept of Fisher's discriminant: `w z + c > 0` says target.

    `source`, `target [d]` are the means, `within [d, d]` the common covariance; languages are
    equally likely beforehand.
    """
    weights = solve(within, (target - source)[:, None])[:, 0]
    return weights, float(-weights @ (source + target) / 2)


def logistic(x: Tensor, label: Tensor, penalty: float = PENALTY) -> tuple[Tensor, float]:
    """Weights `[d]` and intercept of `x [n, d]`, `label [n]` in {0, 1}.

    The minimum of `Σ log-loss + penalty/2 |w|²`, by Newton's method with halved steps, in the
    span of the data.
    """
    centre = x.mean(0)
    u, s, vh = torch.linalg.svd(x - centre, full_matrices=False)
    design = torch.cat([u * s, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    ridge = torch.full((design.shape[1],), penalty, dtype=x.dtype)
    ridge[-1] = 0
    theta = torch.zeros(design.shape[1], dtype=x.dtype)
    loss = _loss(design, label, ridge, theta)
    for _ in range(STEPS):
        chance = torch.sigmoid(design @ theta)
        gradient = design.T @ (chance - label) + ridge * theta
        curve = (design * (chance * (1 - chance))[:, None]).T @ design
        curve.diagonal().add_(ridge + 1e-12)
        step = torch.linalg.solve(curve, gradient)
        size = 1.0
        while _loss(design, label, ridge, theta - size * step) > loss and size > 1e-6:
            size /= 2
        theta = theta - size * step
        loss = _loss(design, label, ridge, theta)
        if float(gradient.abs().max()) < 1e-9 * len(x):
            break
    weights = vh.T @ theta[:-1]
    return weights, float(theta[-1] - weights @ centre)


def _loss(design: Tensor, label: Tensor, ridge: Tensor, theta: Tensor) -> float:
    score = design @ theta
    misfit = torch.nn.functional.softplus(score) - label * score
    return float(misfit.sum() + (ridge * theta * theta).sum() / 2)


PCA = Estimator(
    "pca", "Δ along the first principal component (baseline)", pca, second_moments="pooled"
)
LDA = Estimator("lda", "Δ along Fisher's discriminant (baseline)", lda, second_moments="pooled")
PROBE = Estimator("probe", "Δ along a logistic probe (baseline)", probe, sample=True)
