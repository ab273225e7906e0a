"""Estimators that need latents of texts: regression, rotations, medians, probes."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from langsteer.edits.maps import LowRank, Shift, affine
from langsteer.errors import CorpusError
from langsteer.estimators import estimate
from langsteer.estimators.directions import logistic
from langsteer.estimators.regression import leave_one_out, ridge, rotation, thin
from langsteer.estimators.robust import geometric_median
from langsteer.statistics import Keep
from latents import World, aligned, normal, statistics

KEEP = Keep(sample=200)
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}


def linear(matrix, noise=0.01, n=60):
    """Two languages whose latents are `matrix x + b` of each other."""
    width = len(matrix)
    x = normal(n, width, seed=0)
    y = x @ matrix.T + normal(width, seed=1) + noise * normal(n, width, seed=2)
    names = [f"c{i}" for i in range(n)]
    effects = torch.stack([x.mean(0), y.mean(0)])
    return World(("de", "ja"), {"de": x, "ja": y}, dict.fromkeys(("de", "ja"), names), effects)


@pytest.mark.parametrize("penalty", [0.03, 1.0, 50.0, math.inf])
@pytest.mark.parametrize("shape", [(20, 5), (8, 15)])
def test_leave_one_out_in_closed_form_is_leaving_one_out(penalty, shape):
    n, d = shape
    x, y = normal(n, d, seed=0), normal(n, 3, seed=1)
    brute = 0.0
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        fitted = ridge(x[rest], y[rest], penalty)
        at = (x[i] - x[rest].mean(0)) @ fitted.basis @ fitted.coefficients + y[rest].mean(0)
        brute += float((y[i] - at).square().sum())
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    kept = s > 1e-9
    (closed,) = leave_one_out(u[:, kept], s[kept], y - y.mean(0), [penalty])
    assert closed == pytest.approx(brute)


def test_the_penalty_chosen_is_the_best_of_those_tried():
    x, noise = normal(30, 6, seed=0), normal(30, 6, seed=1)
    change = x @ normal(6, 6, seed=2) / 3 + noise
    chosen = ridge(x, change).penalty
    u, s, _ = thin(x - x.mean(0))
    tried = [chosen * factor for factor in (0.1, 1.0, 10.0)]
    errors = leave_one_out(u, s, change - change.mean(0), tried)
    assert min(errors) == errors[1]


@pytest.mark.parametrize("shape", [(20, 5), (5, 20)])
def test_the_thin_decomposition_is_one(shape):
    x = normal(*shape, seed=0)
    u, s, v = thin(x)
    eye = torch.eye(len(s), dtype=torch.float64)
    torch.testing.assert_close((u * s) @ v.T, x)
    torch.testing.assert_close(u.T @ u, eye)
    torch.testing.assert_close(v.T @ v, eye)


def test_ridge_agrees_with_scikit_learn():
    library = pytest.importorskip("sklearn.linear_model")
    x, y = normal(30, 6, seed=0), normal(30, 4, seed=1)
    theirs = library.Ridge(alpha=2.5).fit(x.numpy(), y.numpy())
    mine = ridge(x, y, 2.5)
    np.testing.assert_allclose((mine.basis @ mine.coefficients).T.numpy(), theirs.coef_, atol=1e-10)


def test_regression_finds_the_linear_map():
    matrix = torch.eye(6, dtype=torch.float64) + 0.4 * normal(6, 6, seed=5)
    found = affine(estimate("regression", statistics(linear(matrix), KEEP), "de", "ja", 0))
    torch.testing.assert_close(found.matrix.double(), matrix, atol=0.02, rtol=0)


def test_regression_is_the_difference_when_nothing_but_noise_tells_pairs_apart():
    world = linear(torch.eye(6, dtype=torch.float64), noise=1.0)
    found = statistics(world, KEEP)
    edits = [estimate(name, found, "de", "ja", 0) for name in ("regression", "difference")]
    a, b = (affine(edit) for edit in edits)
    torch.testing.assert_close(a.matrix, b.matrix, atol=0.02, rtol=0)
    torch.testing.assert_close(a.bias, b.bias, atol=0.02, rtol=0)


def test_at_an_infinite_penalty_ridge_changes_nothing_and_regression_is_the_difference(monkeypatch):
    monkeypatch.setattr("langsteer.estimators.regression.PENALTIES", (math.inf,))
    found = statistics(aligned(), KEEP)
    edits = [
        estimate(name, found, "de", "ja", 0)
        for name in ("regression", "regression-low-rank", "difference")
    ]
    assert all(torch.equal(edit.vector, edits[-1].vector) for edit in edits)


@pytest.mark.parametrize("name", ["regression", "regression-low-rank", "procrustes"])
def test_regression_moves_the_source_mean_to_the_target_mean(name):
    matrix = torch.linalg.qr(normal(6, 6, seed=5)).Q
    found = statistics(linear(matrix), KEEP)
    moved = estimate(name, found, "de", "ja", 0)(found.mean("de", 0))
    torch.testing.assert_close(moved, found.mean("ja", 0), **TOLERANCE)


def test_low_rank_regression_finds_a_low_rank_change_and_is_thin():
    change = normal(20, 2, seed=3) @ normal(2, 20, seed=4) / 5
    matrix = torch.eye(20, dtype=torch.float64) + change
    edit = estimate("regression-low-rank:2", statistics(linear(matrix), KEEP), "de", "ja", 0)
    assert isinstance(edit, LowRank)
    assert edit.rank == 2
    torch.testing.assert_close(affine(edit).matrix.double(), matrix, atol=0.05, rtol=0)


def test_low_rank_regression_of_full_rank_is_regression():
    matrix = torch.eye(6, dtype=torch.float64) + 0.4 * normal(6, 6, seed=5)
    found = statistics(linear(matrix), KEEP)
    a, b = (
        estimate(name, found, "de", "ja", 0) for name in ("regression", "regression-low-rank:6")
    )
    torch.testing.assert_close(affine(a).matrix, affine(b).matrix, **TOLERANCE)


def test_procrustes_finds_a_rotation_and_is_orthogonal():
    matrix = torch.linalg.qr(normal(6, 6, seed=5)).Q
    edit = affine(estimate("procrustes", statistics(linear(matrix), KEEP), "de", "ja", 0))
    torch.testing.assert_close(edit.matrix.double(), matrix, atol=0.02, rtol=0)
    torch.testing.assert_close(edit.matrix @ edit.matrix.T, torch.eye(6), **TOLERANCE)


def test_rotation_agrees_with_scipy():
    from scipy.linalg import orthogonal_procrustes

    x, y = normal(30, 6, seed=0), normal(30, 6, seed=1)
    theirs, _ = orthogonal_procrustes(x.numpy(), y.numpy())
    np.testing.assert_allclose(rotation(x, y).numpy(), theirs.T, atol=1e-10)


def test_regression_with_more_coordinates_than_texts_is_thin():
    matrix = torch.eye(80, dtype=torch.float64) + 0.1 * normal(80, 80, seed=5)
    edit = estimate("regression", statistics(linear(matrix, n=12), KEEP), "de", "ja", 0)
    assert isinstance(edit, Shift | LowRank)


def test_too_few_pairs_are_refused():
    found = statistics(linear(torch.eye(6, dtype=torch.float64), n=5), KEEP)
    with pytest.raises(CorpusError, match="at least 8 concepts"):
        estimate("regression", found, "de", "ja", 0)


def test_the_geometric_median_minimises_the_sum_of_distances():
    x, weights = normal(25, 3, seed=0), normal(25, seed=1).abs()
    mine = geometric_median(x, weights)

    def cost(centre):
        return float((weights * (x - torch.as_tensor(centre)).norm(dim=1)).sum())

    theirs = minimize(cost, x.mean(0).numpy(), method="Nelder-Mead", options={"xatol": 1e-9})
    assert cost(mine) <= theirs.fun + 1e-9


def test_the_geometric_median_may_be_a_point_of_the_data():
    x = torch.tensor([[0.0, 0], [0, 0], [0, 0], [1, 0], [0, 1]], dtype=torch.float64)
    torch.testing.assert_close(
        geometric_median(x, torch.ones(5, dtype=torch.float64)),
        torch.zeros(2, dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )


def test_outliers_move_the_difference_but_hardly_the_robust_one():
    world = aligned(concepts=100)
    world.latents["ja"][:5] += 500.0
    found = statistics(world, KEEP)
    truth = world.delta("de", "ja")
    error = {
        name: float((estimate(name, found, "de", "ja", 0).vector - truth).norm())
        for name in ("robust", "difference")
    }
    assert error["difference"] > 20 * error["robust"]


def test_the_logistic_probe_agrees_with_scikit_learn():
    library = pytest.importorskip("sklearn.linear_model")
    x = normal(60, 5, seed=0)
    label = (x @ normal(5, seed=1) + normal(60, seed=2) > 0).double()
    theirs = library.LogisticRegression(C=0.5, tol=1e-10, max_iter=5000).fit(
        x.numpy(), label.numpy()
    )
    weights, intercept = logistic(x, label, penalty=2.0)
    np.testing.assert_allclose(weights.numpy(), theirs.coef_[0], atol=1e-5)
    assert intercept == pytest.approx(float(theirs.intercept_[0]), abs=1e-5)


def test_the_probe_survives_data_that_a_plane_divides():
    found = statistics(aligned(width=60, concepts=20), KEEP)
    delta = estimate("difference", found, "de", "ja", 0).vector
    vector = estimate("probe", found, "de", "ja", 0).vector
    assert torch.cosine_similarity(vector, delta, 0) > 0.5
    assert vector.norm() <= delta.norm() * 1.0001
