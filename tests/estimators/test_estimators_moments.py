"""Estimators from first and second moments, as theorems and against other people's code."""

import math

import numpy as np
import pytest
import torch

from langsteer.edits.maps import LowRank, Shift, affine
from langsteer.errors import CorpusError, SpaceError
from langsteer.estimators import ESTIMATORS, estimate, keep_for
from langsteer.estimators.covariance import covariance, intensity, observations, shrunk
from langsteer.estimators.directions import discriminant, leading
from langsteer.estimators.erasure import oblique
from langsteer.estimators.shrunken import posterior
from langsteer.estimators.transport import gaussian_map, shrunk_ratio
from langsteer.statistics import Keep, Statistics
from latents import World, aligned, normal, statistics

RICH = Keep("language", sample=64)
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}


def spd(width, seed):
    half = normal(width, 2 * width, seed=seed)
    return half @ half.T / (2 * width)


def thinned(world, seed, chance):
    """Texts left out: each with the chance that `chance(language, row)` gives."""
    generator = torch.Generator().manual_seed(seed)
    latents, concepts = {}, {}
    for language in world.languages:
        n = len(world.latents[language])
        odds = torch.tensor([chance(language, i) for i in range(n)])
        kept = (torch.rand(n, generator=generator) >= odds).nonzero().flatten().tolist()
        latents[language] = world.latents[language][kept]
        concepts[language] = [world.concepts[language][i] for i in kept]
    return World(world.languages, latents, concepts, world.effects)


# --- effects ---------------------------------------------------------------------------------


def test_effects_are_the_difference_on_balanced_data():
    found = statistics(aligned())
    a, b = (estimate(name, found, "de", "ja", 0).vector for name in ("effects", "difference"))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


def topical(language, row):
    """Texts about the first 30 concepts are mostly German, the others mostly not."""
    return 0.2 if (row < 30) == (language == "de") else 0.8


@pytest.mark.parametrize("kind", ["missing", "topics"])
def test_effects_are_unbiased_where_the_difference_is_not(kind):
    """Half of the translations missing: at random both are unbiased, by topic only effects are."""
    errors = {"effects": [], "difference": []}
    for seed in range(30):
        world = aligned(1000 * seed, concepts=60)
        # Topics that matter: the first half of the concepts lies elsewhere.
        for language in world.languages:
            world.latents[language][:30] += 2.0
        few = thinned(world, seed, topical if kind == "topics" else lambda *_: 0.5)
        found = statistics(few)
        for name, values in errors.items():
            vector = estimate(name, found, "de", "ja", 0).vector.double()
            values.append(vector - world.delta("de", "ja"))
    bias = {name: torch.stack(values).mean(0) for name, values in errors.items()}
    sd = {name: torch.stack(values).std(0) / math.sqrt(30) for name, values in errors.items()}
    assert bool((bias["effects"].abs() < 4 * sd["effects"]).all())
    if kind == "topics":
        assert bool((bias["difference"].abs() > 4 * sd["difference"]).all())
    assert torch.stack(errors["effects"]).norm() < 0.5 * torch.stack(errors["difference"]).norm()


def test_effects_name_languages_without_a_common_concept():
    world = aligned(languages=("de", "en"))
    world.concepts = {"de": ["a"] * 40, "en": ["b"] * 40}
    with pytest.raises(CorpusError, match="connects de with en"):
        estimate("effects", statistics(world), "de", "en", 0)


# --- covariance ------------------------------------------------------------------------------


@pytest.mark.slow
def test_shrinkage_intensity_agrees_with_scikit_learn():
    library = pytest.importorskip("sklearn.covariance")
    for n, p in ((20, 60), (200, 60)):
        x = normal(n, p, seed=n) @ spd(p, 1)
        x -= x.mean(0)
        s = x.T @ x / n
        # Theirs leaves the terms 2/p of the paper out.
        assert intensity(s, n) == pytest.approx(library.oas(x.numpy())[1], rel=0.05)


def test_shrinkage_brings_the_covariance_nearer_to_the_truth_and_fades():
    truth = spd(30, 5)
    root = torch.linalg.cholesky(truth)
    gains = []
    for n in (15, 60, 4000):
        x = normal(n, 30, seed=n) @ root.T
        raw = torch.cov(x.T)
        gains.append(float((shrunk(raw, n) - truth).norm() / (raw - truth).norm()))
        torch.linalg.cholesky(shrunk(raw, n))
    assert gains[0] < 0.8
    assert gains[0] < gains[1] < 1.001
    assert gains[2] == pytest.approx(1, abs=0.02)


def test_shrinkage_does_not_depend_on_the_units_of_a_coordinate():
    raw = torch.cov(normal(20, 12, seed=2).T)
    units = torch.logspace(-2, 2, 12, dtype=torch.float64)
    scaled = shrunk(raw * units.outer(units), 20) / units.outer(units)
    torch.testing.assert_close(scaled, shrunk(raw, 20))


def test_observations_count_texts_not_tokens():
    found = statistics(aligned(concepts=50), Keep("language"))
    assert observations(found, 0, "de") == pytest.approx(50)
    assert observations(found, 0) == pytest.approx(200, rel=0.2)


# --- erasure ---------------------------------------------------------------------------------


def spread_means(found):
    return found.means(0) - found.means(0).mean(0)


@pytest.mark.parametrize("name", ["erasure", "exchange"])
def test_erasure_makes_class_means_equal_to_the_targets(name):
    world = aligned()
    found = statistics(world, RICH)
    assert spread_means(found).norm() > 1
    edit = estimate(name, found, None, "ja", 0)
    assert isinstance(edit, LowRank)
    assert edit.rank == 3
    after = {language: edit(world.latents[language]).mean(0) for language in world.languages}
    for moved in after.values():
        torch.testing.assert_close(moved, found.mean("ja", 0), **TOLERANCE)


@pytest.mark.parametrize("name", ["erasure", "exchange", "erasure:2", "exchange:1"])
def test_erasure_is_idempotent_and_the_last_target_wins(name):
    found = statistics(aligned(), RICH)
    edits = {language: estimate(name, found, None, language, 0) for language in ("fr", "ja")}
    z = normal(5, 8, seed=1)
    once = edits["ja"](z)
    torch.testing.assert_close(edits["ja"](once), once, **TOLERANCE)
    torch.testing.assert_close(edits["ja"](edits["fr"](z)), once, **TOLERANCE)


def test_the_projection_of_erasure_does_not_depend_on_the_scatter_between_languages():
    means, within = normal(4, 8, seed=0), spd(8, 1)
    apart = means - means.mean(0)
    a = oblique(means, within)
    b = oblique(means, within + apart.T @ apart)
    torch.testing.assert_close(a[0] @ a[1].T, b[0] @ b[1].T)


def test_erasure_is_first_order_optimal():
    """No small change of P that still erases moves the latents less, in the metric Σ⁻¹ or in |·|².

    Maps I - P erase when P B = B. Along any N with N B = 0 the mean squared displacement tr PΣPᵀ
    has derivative 2 tr PΣNᵀ, which must vanish.
    """
    means, within = normal(4, 8, seed=0), spd(8, 1)
    apart = (means - means.mean(0)).T
    whole = within + apart @ apart.T
    left, right = oblique(means, within)
    p = left @ right.T
    onto = torch.eye(8, dtype=torch.float64) - apart @ torch.linalg.pinv(apart)
    cost = (p @ whole @ p.T).trace()
    for seed in range(10):
        change = normal(8, 8, seed=seed) @ onto
        assert float((p @ whole @ change.T).trace().abs()) < 1e-10
        assert ((p + 0.1 * change) @ whole @ (p + 0.1 * change).T).trace() > cost


def test_a_linear_probe_is_at_chance_after_erasure():
    linear = pytest.importorskip("sklearn.linear_model")
    world = aligned(concepts=150)
    found = statistics(world, RICH)
    edit = estimate("erasure", found, None, "ja", 0)
    x = torch.cat([world.latents[one] for one in world.languages])
    y = np.repeat(np.arange(4), 150)
    probe = linear.LogisticRegression(max_iter=1000)
    assert probe.fit(x.numpy(), y).score(x.numpy(), y) > 0.9
    erased = edit(x).numpy()
    assert probe.fit(erased, y).score(erased, y) < 0.35


def test_erasure_agrees_with_concept_erasure():
    leace = pytest.importorskip("concept_erasure")
    world = aligned(concepts=100)
    x = torch.cat([world.latents[one] for one in world.languages])
    z = torch.nn.functional.one_hot(torch.arange(4).repeat_interleave(100), 4)
    fitter = leace.LeaceFitter(8, 4, dtype=torch.float64, shrinkage=False)
    fitter.update(x, z)
    theirs = fitter.eraser
    found = statistics(world, RICH)
    left, right = oblique(found.means(0), found.covariance(0))
    torch.testing.assert_close(left @ right.T, _projection(theirs))
    # Ours with the mean of all languages as the target is theirs.
    mine = x - (x - x.mean(0)) @ (left @ right.T).T
    torch.testing.assert_close(mine, theirs(x))


def _projection(eraser):
    """P of `x - P (x - bias)`."""
    return eraser.proj_left @ eraser.proj_right


def test_rank_one_of_erasure_is_the_direction_that_tells_languages_apart_best():
    means, within = normal(4, 8, seed=0), spd(8, 1)
    right = oblique(means, within, 1)[1]
    apart = (means - means.mean(0)).T

    def ratio(w):
        return (apart.T @ w).square().sum() / (w @ within @ w)

    best = ratio(right[:, 0])
    assert all(ratio(normal(8, seed=seed)) < best for seed in range(50))
    assert all(ratio(right[:, 0] + 0.01 * normal(8, seed=seed)) < best for seed in range(50))


# --- transport -------------------------------------------------------------------------------


def test_transport_pushes_mean_and_covariance_exactly():
    source, target = spd(8, 1), spd(8, 2)
    a = gaussian_map(source, target)
    torch.testing.assert_close(a @ source @ a, target)
    torch.testing.assert_close(a, a.T)
    assert float(torch.linalg.eigvalsh(a).min()) > 0
    world = aligned()
    found = statistics(world, RICH)
    moved = estimate("transport", found, "de", "ja", 0)(world.latents["de"].mean(0))
    torch.testing.assert_close(moved, found.mean("ja", 0), **TOLERANCE)


def test_transport_to_the_same_language_is_the_identity():
    found = statistics(aligned(), RICH)
    z = normal(5, 8, seed=1)
    for name in ("transport", "transport-low-rank", "transport-diagonal"):
        torch.testing.assert_close(estimate(name, found, "de", "de", 0)(z), z, **TOLERANCE)


def test_transport_is_the_difference_when_covariances_agree():
    world = aligned(noise=0.0)
    found = statistics(world, RICH)
    z = normal(5, 8, seed=1)
    shifted = estimate("difference", found, "de", "ja", 0)(z)
    for name in ("transport", "transport-low-rank", "transport-diagonal"):
        torch.testing.assert_close(estimate(name, found, "de", "ja", 0)(z), shifted, **TOLERANCE)


def test_transport_agrees_with_pot():
    ot = pytest.importorskip("ot")
    source, target = spd(8, 1), spd(8, 2)
    means = normal(2, 8, seed=3)
    theirs, _ = ot.gaussian.bures_wasserstein_mapping(
        means[0].numpy(), means[1].numpy(), source.numpy(), target.numpy()
    )
    np.testing.assert_allclose(gaussian_map(source, target).numpy(), theirs, atol=1e-8)


def test_transport_agrees_with_concept_erasure():
    library = pytest.importorskip("concept_erasure.optimal_transport")
    source, target = spd(8, 1), spd(8, 2)
    theirs = library.ot_map(source, target)
    torch.testing.assert_close(gaussian_map(source, target), theirs)


@pytest.mark.parametrize("pair", [("de", "ja"), ("ja", "de")])
def test_transport_of_full_rank_is_transport(pair):
    found = statistics(aligned(), RICH)
    full = estimate("transport", found, *pair, 0)
    thin = estimate("transport-low-rank:8", found, *pair, 0)
    torch.testing.assert_close(affine(thin).matrix, full.matrix, **TOLERANCE)
    torch.testing.assert_close(affine(thin).bias, full.bias, **TOLERANCE)
    assert estimate("transport-low-rank:2", found, "de", "ja", 0).rank == 2


def stretched(n, seed=0):
    """Two languages of `n` texts; the second is wider in its first six coordinates of twelve."""
    width = torch.ones(12, dtype=torch.float64)
    width[:6] = 3.0
    latents = {"de": normal(n, 12, seed=seed), "ja": 1 + normal(n, 12, seed=seed + 1) * width}
    names = [str(i) for i in range(n)]
    effects = torch.zeros(2, 12, dtype=torch.float64)
    return World(("de", "ja"), latents, dict.fromkeys(("de", "ja"), names), effects), width


def test_diagonal_transport_matches_every_coordinate():
    world, _ = stretched(20_000)
    moved = estimate("transport-diagonal", statistics(world), "de", "ja", 0)(world.latents["de"])
    torch.testing.assert_close(moved.mean(0), world.latents["ja"].mean(0), **TOLERANCE)
    torch.testing.assert_close(moved.std(0), world.latents["ja"].std(0), rtol=1e-3, atol=0)


def test_diagonal_transport_of_few_texts_is_nearer_to_the_truth_than_their_ratios():
    mine = plain = 0.0
    for seed in range(0, 40, 2):
        world, width = stretched(6, seed)
        scale = estimate("transport-diagonal", statistics(world), "de", "ja", 0).scale.double()
        ratio = world.latents["ja"].std(0) / world.latents["de"].std(0)
        mine += float((scale / width).log().square().sum())
        plain += float((ratio / width).log().square().sum())
    assert mine < 0.9 * plain


def test_ratios_that_are_all_error_are_one():
    logarithm = normal(4000, seed=0)
    assert float(shrunk_ratio(logarithm, 1.0).abs().max()) < 0.5
    torch.testing.assert_close(shrunk_ratio(logarithm, 0.0), logarithm)


@pytest.mark.parametrize("name", ["transport", "transport-low-rank:3", "transport-diagonal"])
def test_transport_there_and_back_is_the_identity(name):
    found = statistics(aligned(), RICH)
    there, back = (estimate(name, found, *pair, 0) for pair in (("de", "ja"), ("ja", "de")))
    z = normal(5, 8, seed=1)
    torch.testing.assert_close(there.inverse()(there(z)), z, **TOLERANCE)
    if name != "transport-low-rank:3":  # each way keeps its own strongest directions
        torch.testing.assert_close(back(there(z)), z, **TOLERANCE)
        torch.testing.assert_close(there.then(back)(z), z, **TOLERANCE)


@pytest.mark.parametrize("pair", [("de", "ja"), ("ja", "de")])
def test_transport_of_statistics_pushes_their_covariances(pair):
    found = statistics(aligned(), RICH)
    a = estimate("transport", found, *pair, 0).matrix.double()
    source, target = (covariance(found, 0, one) for one in pair)
    torch.testing.assert_close(a @ source @ a, target, **TOLERANCE)


# --- shrunken --------------------------------------------------------------------------------


def family(seed, counts, width=60):
    """Two families of four languages, members alike; statistics with `counts` texts each."""
    parents = normal(2, width, seed=seed)
    effects = torch.cat(
        [parent + 0.3 * normal(4, width, seed=seed + i + 1) for i, parent in enumerate(parents)]
    )
    names = tuple("abcdefgh")
    found = Statistics.empty((0,), width, names, pooling="text")
    for i, (name, n) in enumerate(zip(names, counts, strict=True)):
        z = effects[i] + 3 * normal(n, 1, width, seed=seed + 10 + i)
        found.update(z, torch.ones(n), [name] * n, [None] * n)
    return found, effects


def test_shrinking_helps_a_language_with_few_texts():
    error = {"shrunken": 0.0, "difference": 0.0}
    for seed in range(10):
        found, effects = family(100 * seed, (10, 200, 200, 200, 200, 200, 200, 200))
        truth = effects[0] - effects[7]
        for name in error:
            vector = estimate(name, found, "h", "a", 0).vector.double()
            error[name] += float((vector - truth).square().sum())
    assert error["shrunken"] < 0.5 * error["difference"]


def test_shrinking_fades_with_the_number_of_texts():
    found, _ = family(0, (5000,) * 8)
    a, b = (estimate(name, found, "a", "h", 0).vector for name in ("shrunken", "difference"))
    assert float((a - b).norm() / b.norm()) < 0.02


def test_means_without_error_are_not_shrunk():
    means = normal(5, 30, seed=0)
    torch.testing.assert_close(posterior(means, torch.zeros(5, 5, dtype=torch.float64)), means)


def test_means_that_are_all_error_are_pooled():
    means = normal(5, 3000, seed=0)
    error = 3000 * 1.5 * torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(posterior(means, error), means.mean(0).expand(5, -1))


# --- directions ------------------------------------------------------------------------------


def test_the_discriminant_is_proportional_to_the_whitened_difference():
    world = aligned(languages=("de", "ja"))
    found = statistics(world, RICH)
    delta = found.mean("ja", 0) - found.mean("de", 0)
    weights, _ = discriminant(found.mean("de", 0), found.mean("ja", 0), found.covariance(0))
    torch.testing.assert_close(found.covariance(0) @ weights, delta)


@pytest.mark.slow
def test_the_discriminant_agrees_with_scikit_learn():
    library = pytest.importorskip("sklearn.discriminant_analysis")
    world = aligned(languages=("de", "ja"))
    x = torch.cat([world.latents["de"], world.latents["ja"]]).numpy()
    y = np.repeat([0, 1], 40)
    theirs = library.LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    found = statistics(world, RICH)
    weights, intercept = discriminant(
        found.mean("de", 0), found.mean("ja", 0), found.covariance(0) * (78 / 80)
    )
    np.testing.assert_allclose(weights.numpy(), theirs.coef_[0], rtol=1e-6)
    assert intercept == pytest.approx(float(theirs.intercept_[0]), rel=1e-6)


@pytest.mark.parametrize("kind", ["any", "none", "last", "equal"])
def test_the_leading_vector_of_a_spiked_matrix_is_that_of_its_decomposition(kind):
    values, vectors = torch.linalg.eigh(spd(6, 0))
    if kind == "equal":
        values[-2] = values[-1]
    spike = {
        "any": normal(6, seed=1),
        "none": 0.1 * vectors[:, 0],
        "last": 2 * vectors[:, -1],
        "equal": vectors[:, -1] + vectors[:, -2],
    }[kind]
    found = leading(values, vectors, spike)
    whole = (vectors * values) @ vectors.T + spike.outer(spike)
    truth = torch.linalg.eigh(whole)[1][:, -1]
    assert float(torch.cosine_similarity(found, truth, 0).abs()) == pytest.approx(1, abs=1e-9)


def test_lda_moves_along_the_discriminant():
    found = statistics(aligned(), RICH)
    weights, _ = discriminant(found.mean("de", 0), found.mean("ja", 0), covariance(found, 0))
    vector = estimate("lda", found, "de", "ja", 0).vector.double()
    assert float(torch.cosine_similarity(vector, weights, 0).abs()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["pca", "lda"])
def test_directions_move_the_mean_along_them_as_far_as_the_difference(name):
    found = statistics(aligned(), RICH)
    delta = found.mean("ja", 0) - found.mean("de", 0)
    vector = estimate(name, found, "de", "ja", 0).vector.double()
    torch.testing.assert_close(
        vector @ (delta - vector), torch.zeros((), dtype=torch.float64), atol=1e-5, rtol=0
    )


def test_the_principal_component_is_the_difference_when_nothing_else_varies_more():
    effects = torch.zeros(2, 6, dtype=torch.float64)
    effects[1, 2] = 50.0
    names = [str(i) for i in range(40)]
    latents = {one: effects[i] + normal(40, 6, seed=i) for i, one in enumerate(("de", "ja"))}
    world = World(("de", "ja"), latents, dict.fromkeys(("de", "ja"), names), effects)
    found = statistics(world, RICH)
    a, b = (estimate(name, found, "de", "ja", 0).vector for name in ("pca", "difference"))
    assert torch.cosine_similarity(a, b, 0) > 0.999


# --- all of them -----------------------------------------------------------------------------


def test_estimators_say_what_they_lack():
    bare = statistics(aligned())
    for name, estimator in ESTIMATORS.items():
        source = "de" if estimator.source else None
        if estimator.second_moments == "none" and not estimator.sample:
            estimate(name, bare, source, "ja", 0)
        else:
            with pytest.raises(SpaceError, match="Fit again"):
                estimate(name, bare, source, "ja", 0)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_an_estimator_asks_for_is_enough_and_yields_a_finite_map(name):
    found = statistics(aligned(), keep_for([name], sample=40))
    source = "de" if ESTIMATORS[name].source else None
    edit = estimate(name, found, source, "ja", 0)
    z = normal(3, 8, seed=0).float()
    assert edit.width == 8
    assert edit(z).isfinite().all()
    assert edit(z, 0.0) is z
    halfway = z + 0.5 * (edit(z) - z)
    torch.testing.assert_close(edit(z, 0.5), halfway, **TOLERANCE)


def test_keeping_for_several_keeps_the_most():
    keep = keep_for(["erasure:2", "transport", "difference", "probe"], layers=(3,), sample=10)
    assert keep == Keep("language", sample=10, layers=(3,))
    assert keep_for(["difference"]) == Keep()


@pytest.mark.parametrize("name", ["erasure", "transport", "lda"])
def test_more_coordinates_than_texts_are_no_obstacle(name):
    found = statistics(aligned(concepts=6, width=50), Keep("language"))
    edit = estimate(name, found, "de", "ja", 0)
    moved = edit(found.mean("de", 0).float())
    assert moved.isfinite().all()
    if not isinstance(edit, Shift):
        torch.testing.assert_close(moved.double(), found.mean("ja", 0), atol=1e-3, rtol=1e-3)


def test_covariances_that_are_nearly_singular_can_still_be_used():
    half = normal(12, 3, seed=0)
    raw = (half @ half.T).float().double()
    torch.linalg.cholesky(shrunk(raw, 1e12))
