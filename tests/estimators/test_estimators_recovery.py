"""Latents as superpositions of features: the language features are found, as well as predicted."""

import pytest
import torch

from langsteer.estimators import estimate
from langsteer.statistics import Statistics
from langsteer.statistics.uncertainty import delta_error, predicted_cosine
from latents import aligned, normal, statistics

LANGUAGES = ("de", "en", "ja")
FEATURES, WIDTH = 200, 64


def superposed(seed, n, skew=True):
    """Σ α_j f_j: 200 unit features in 64 dimensions, a few active per text, one per language."""
    features = normal(FEATURES, WIDTH, seed=7)
    features /= features.norm(dim=1, keepdim=True)
    found = Statistics.empty((0,), WIDTH, LANGUAGES, pooling="text")
    generator = torch.Generator().manual_seed(seed)
    for i, language in enumerate(LANGUAGES):
        active = torch.rand(n, FEATURES, generator=generator) < 0.05
        strength = torch.rand(n, FEATURES, generator=generator).double() * 2
        strength = (strength.square() if skew else strength) * active
        strength[:, :3] = 0
        strength[:, i] = 1.5 + 0.2 * torch.randn(n, generator=generator).double()
        z = (strength @ features)[:, None]
        found.update(z, torch.ones(n), [language] * n, [None] * n)
    truth = 1.5 * (features[2] - features[0])
    return found, truth


def test_the_error_falls_as_one_over_the_root_of_the_texts():
    errors = []
    for n in (50, 200, 800):
        seen = [
            float((estimate("difference", found, "de", "ja", 0).vector - truth).norm())
            for found, truth in (superposed(seed, n) for seed in range(6))
        ]
        errors.append(sum(seen) / len(seen))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.15)


def test_intervals_cover_on_features_in_superposition():
    hit = total = 0
    for seed in range(40):
        found, truth = superposed(seed, 100)
        error = delta_error(found, "de", "ja")[0]
        estimated = found.mean("ja", 0) - found.mean("de", 0)
        hit += int(((estimated - truth).abs() <= 1.96 * error).sum())
        total += WIDTH
    assert 0.93 <= hit / total <= 0.97


def test_intervals_of_effects_cover_where_translations_are_missing():
    hit = total = 0
    for seed in range(40):
        world = aligned(100 * seed, languages=LANGUAGES, concepts=60, width=20)
        kept = torch.rand(3, 60, generator=torch.Generator().manual_seed(seed)) < 0.6
        for i, language in enumerate(LANGUAGES):
            rows = kept[i].nonzero().flatten().tolist()
            world.latents[language] = world.latents[language][rows]
            world.concepts[language] = [f"c{row}" for row in rows]
        alignment = statistics(world).alignment
        apart = alignment.contrast("de", "ja")[0] - world.delta("de", "ja")
        hit += int((apart.abs() <= 1.96 * alignment.contrast_error("de", "ja")[0]).sum())
        total += 20
    assert 0.93 <= hit / total <= 0.97


@pytest.mark.parametrize("n", [25, 100, 400])
def test_the_predicted_cosine_is_seen_on_features_in_superposition(n):
    seen, predicted = [], []
    for seed in range(12):
        found, truth = superposed(seed, n)
        vector = estimate("difference", found, "de", "ja", 0).vector.double()
        seen.append(float(torch.cosine_similarity(vector, truth, 0)))
        predicted.append(float(predicted_cosine(found, "de", "ja")[0]))
    assert sum(predicted) / 12 == pytest.approx(sum(seen) / 12, abs=0.015)
