"""The registry, the plain estimators, and how well the difference is known."""

import math

import pytest
import torch

from langsteer.errors import LanguageError, SpaceError, SteeringError
from langsteer.estimators import ESTIMATORS, estimate
from langsteer.statistics import Statistics
from langsteer.statistics.uncertainty import (
    delta_error,
    delta_quality,
    pairs,
    predicted_cosine,
    warnings,
)
from latents import aligned, normal, statistics


def unpaired(seed, n, *, width=40, norm=1.0, trials=1):
    """Statistics of `trials` layers, each an independent draw of two languages of `n` texts."""
    delta = normal(width, seed=seed)
    delta = delta * (norm / delta.norm())
    found = Statistics.empty(range(trials), width, ("de", "en"), pooling="text")
    for i, language in enumerate(found.languages):
        z = normal(n, trials, width, seed=seed + 1 + i) + i * delta
        found.update(z, torch.ones(n), [language] * n, [None] * n)
    return found, delta


def test_difference_moves_the_source_mean_to_the_target_mean():
    world = aligned()
    shift = estimate("difference", statistics(world), "de", "ja", 0)
    moved = shift(world.latents["de"].mean(0))
    torch.testing.assert_close(moved, world.latents["ja"].mean(0), atol=1e-6, rtol=1e-6)


def test_mean_is_added_alone_and_needs_no_source():
    world = aligned()
    shift = estimate("mean", statistics(world), None, "ja", 0)
    torch.testing.assert_close(
        shift.vector.double(), world.latents["ja"].mean(0), atol=1e-6, rtol=0
    )


def test_random_has_the_norm_of_the_difference_and_another_direction():
    found = statistics(aligned(width=64))
    delta = estimate("difference", found, "de", "ja", 0).vector
    first = estimate("random", found, "de", "ja", 0).vector
    torch.testing.assert_close(first.norm(), delta.norm())
    assert torch.equal(first, estimate("random", found, "de", "ja", 0).vector)
    other = estimate("random", found, "ja", "de", 0).vector
    assert torch.cosine_similarity(first, other, 0).abs() < 0.5
    assert torch.cosine_similarity(first, delta, 0).abs() < 0.5


def test_any_language_vector_has_zero_loss_when_nothing_constrains_the_rest():
    """min over z_l, z_r of Σ |z - (z_r + z_l)|² is reached by every z_l: the note's degeneracy."""
    z = aligned().latents["de"]
    for seed in range(5):
        vector = 10 * normal(8, seed=seed)
        rest = z - vector
        assert float((z - (rest + vector)).square().sum()) < 1e-24


def test_unknown_estimators_are_refused_with_the_nearest():
    with pytest.raises(SteeringError, match="Did you mean 'difference'"):
        estimate("diference", statistics(aligned()), "de", "ja", 0)


def test_a_rank_is_refused_where_it_means_nothing():
    with pytest.raises(SteeringError, match="rank"):
        estimate("difference:3", statistics(aligned()), "de", "ja", 0)


def test_a_missing_source_is_named():
    with pytest.raises(LanguageError, match="needs the language"):
        estimate("difference", statistics(aligned()), None, "ja", 0)


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(SpaceError, match="Layer 7"):
        estimate("difference", statistics(aligned()), "de", "ja", 7)


def test_names_in_the_registry_are_those_of_the_estimators():
    assert all(name == one.name for name, one in ESTIMATORS.items())


def test_error_of_the_difference_is_the_textbook_one_without_alignment():
    found, _ = unpaired(0, n=30)
    a, b = (found.moments[language].standard_error() for language in ("de", "en"))
    torch.testing.assert_close(delta_error(found, "de", "en"), (a**2 + b**2).sqrt())


def test_error_of_the_difference_is_the_paired_one_on_parallel_texts():
    world = aligned(languages=("de", "en"), concepts=1000)
    paired = (world.latents["en"] - world.latents["de"]).std(0) / math.sqrt(1000)
    found = delta_error(statistics(world), "de", "en")[0]
    # The pooled correlation and two sampled variances leave a little to chance.
    torch.testing.assert_close(found, paired, rtol=0.1, atol=0)


@pytest.mark.parametrize("parallel", [False, True])
def test_intervals_of_the_difference_cover(parallel):
    """95 % intervals of each coordinate of Δ hold the truth in 93 to 97 % of the cases."""
    hit = total = 0
    for seed in range(40):
        if parallel:
            world = aligned(100 * seed, languages=("de", "en"), concepts=60, width=20)
            found, delta = statistics(world), world.delta("de", "en")
        else:
            found, delta = unpaired(1000 * seed, n=60)
        error = delta_error(found, "de", "en")[0]
        estimated = found.mean("en", 0) - found.mean("de", 0)
        hit += int(((estimated - delta).abs() <= 1.96 * error).sum())
        total += len(delta)
    assert 0.93 <= hit / total <= 0.97


@pytest.mark.parametrize(("norm", "n"), [(1.0, 100), (2.0, 50), (4.0, 200)])
def test_the_predicted_cosine_is_the_one_that_is_seen(norm, n):
    found, delta = unpaired(3, n=n, norm=norm, trials=60)
    seen = [
        torch.cosine_similarity(found.mean("en", i) - found.mean("de", i), delta, 0)
        for i in range(60)
    ]
    predicted = predicted_cosine(found, "de", "en")
    assert float(predicted.mean()) == pytest.approx(float(torch.stack(seen).mean()), abs=0.02)


def test_as_many_texts_as_are_said_to_be_needed_suffice():
    found, _ = unpaired(5, n=400, norm=2.0)
    quality = delta_quality(found)[0]
    assert quality.worst_cosine < 0.99
    again, delta = unpaired(6, n=quality.texts_needed, norm=2.0)
    seen = torch.cosine_similarity(again.mean("en", 0) - again.mean("de", 0), delta, 0)
    assert float(seen) == pytest.approx(0.99, abs=0.004)


def test_the_warning_says_how_many_more():
    found, _ = unpaired(5, n=400, norm=2.0)
    needed = delta_quality(found)[0].texts_needed
    (text,) = warnings(found, [0])
    assert f"{needed - 400:,} more texts" in text
    assert warnings(found, [3]) == []


def test_a_difference_hidden_by_noise_is_said_to_be():
    found = Statistics.empty((0,), 3, ("de", "en"), pooling="text")
    z = normal(8, 1, 3, seed=0)
    found.update(torch.cat([z, z]), torch.ones(16), ["de"] * 8 + ["en"] * 8, [None] * 16)
    assert "lost in the noise" in warnings(found, [0])[0]


def test_one_text_per_language_says_nothing_about_the_error():
    found, _ = unpaired(0, n=1)
    table = pairs(found)
    assert table.error[0, 0, 1].isinf()
    assert table.cosine[0, 0, 1] == 0
    assert delta_quality(found)[0].texts_needed is None


def test_pairs_agree_with_one_pair():
    found = statistics(aligned())
    table = pairs(found)
    error = delta_error(found, "en", "ja")[0].norm()
    torch.testing.assert_close(table.error[0, 1, 3], error)
    delta = found.mean("ja", 0) - found.mean("en", 0)
    torch.testing.assert_close(table.norm[0, 1, 3], delta.norm())
