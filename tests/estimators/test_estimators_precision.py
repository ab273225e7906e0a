"""Estimators in float64 against fifty decimal digits, on coordinates of very different scale."""

import pytest
import torch

from langsteer.estimators import estimate
from langsteer.estimators.directions import discriminant
from langsteer.estimators.erasure import oblique
from langsteer.estimators.transport import gaussian_map
from langsteer.statistics import Keep
from latents import World, aligned, statistics

mpmath = pytest.importorskip("mpmath")
LANGUAGES = ("de", "en", "ja")
WIDTH = 4
SCALE = torch.tensor([1e-6, 1e-2, 1.0, 1e6], dtype=torch.float64)


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(50):
        yield


@pytest.fixture
def world():
    """Latents far from the origin, a concept missing here and there."""
    plain = aligned(3, languages=LANGUAGES, concepts=12, width=WIDTH)
    latents, concepts = {}, {}
    for i, language in enumerate(LANGUAGES):
        kept = [row for row in range(12) if row % 5 != i]
        latents[language] = (plain.latents[language][kept] + 1e3) * SCALE
        concepts[language] = [f"c{row}" for row in kept]
    return World(LANGUAGES, latents, concepts, plain.effects * SCALE)


def exact(z):
    return mpmath.matrix([[mpmath.mpf(float(x)) for x in row] for row in z])


def mean(z):
    return mpmath.matrix([sum(z[:, j]) / z.rows for j in range(z.cols)])


def scatter(z):
    centre = mean(z)
    rows = mpmath.matrix([[z[i, j] - centre[j] for j in range(z.cols)] for i in range(z.rows)])
    return rows.T * rows


def back(matrix):
    return torch.tensor(
        [[float(matrix[i, j]) for j in range(matrix.cols)] for i in range(matrix.rows)],
        dtype=torch.float64,
    )


def pooled(world):
    total = mpmath.matrix(WIDTH)
    texts = 0
    for language in LANGUAGES:
        z = exact(world.latents[language])
        total += scatter(z)
        texts += z.rows
    return total / (texts - len(LANGUAGES))


def means(world):
    return [mean(exact(world.latents[language])) for language in LANGUAGES]


def test_difference_and_effects(world):
    found = statistics(world)
    exactly = means(world)
    delta = back(exactly[2] - exactly[0])[:, 0]
    mine = found.mean("ja", 0) - found.mean("de", 0)
    torch.testing.assert_close(mine / SCALE, delta / SCALE, rtol=0, atol=1e-11)
    rows = [
        (language, name, z)
        for language in LANGUAGES
        for name, z in zip(
            world.concepts[language], exact(world.latents[language]).tolist(), strict=True
        )
    ]
    names = sorted({name for _, name, _ in rows})
    # Dummies for all concepts, and for all languages but the first.
    design = mpmath.matrix(len(rows), len(names) + 2)
    for i, (language, name, _) in enumerate(rows):
        design[i, names.index(name)] = 1
        if language != "de":
            design[i, len(names) + LANGUAGES.index(language) - 1] = 1
    z = mpmath.matrix([row for _, _, row in rows])
    solution = mpmath.inverse(design.T * design) * (design.T * z)
    truth = back(solution[len(names) + 1, :])[0]
    torch.testing.assert_close(
        found.alignment.contrast("de", "ja")[0] / SCALE, truth / SCALE, rtol=0, atol=1e-11
    )
    shift = estimate("effects", found, "de", "ja", 0).vector.double()
    torch.testing.assert_close(shift / SCALE, truth / SCALE, rtol=1e-6, atol=0)


def test_erasure_and_discriminant(world):
    found = statistics(world, Keep("pooled"))
    within, centres = pooled(world), means(world)
    torch.testing.assert_close(
        found.covariance(0) / SCALE.outer(SCALE),
        back(within) / SCALE.outer(SCALE),
        rtol=0,
        atol=1e-10,
    )
    inverse = mpmath.inverse(within)
    apart = [centres[i] - centres[0] for i in (1, 2)]
    b = mpmath.matrix([[apart[0][j], apart[1][j]] for j in range(WIDTH)])
    p = b * mpmath.inverse(b.T * inverse * b) * b.T * inverse
    left, right = oblique(found.means(0), found.covariance(0))
    units = SCALE[None] / SCALE[:, None]
    torch.testing.assert_close(left @ right.T * units, back(p) * units, rtol=0, atol=1e-7)
    weights, _ = discriminant(found.mean("de", 0), found.mean("ja", 0), found.covariance(0))
    truth = back(inverse * apart[1])[:, 0]
    torch.testing.assert_close(weights * SCALE, truth * SCALE, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("decades", "tolerance"), [(0, 1e-12), (3, 1e-8), (4, 1e-6)])
def test_transport(decades, tolerance):
    """It is not invariant to units: the map meets variances that differ by their square."""
    units = torch.logspace(0, decades, 4, dtype=torch.float64)
    plain = aligned(4, languages=LANGUAGES, concepts=12, width=WIDTH)
    scaled = [plain.latents[one] * units for one in ("de", "ja")]
    source, target = (scatter(exact(z)) / 11 for z in scaled)
    root = mpmath.cholesky(source)
    values, vectors = mpmath.eigsy(root.T * target * root)
    half = vectors * mpmath.diag([mpmath.sqrt(v) for v in values]) * vectors.T
    inverse = mpmath.inverse(root)
    truth = back(inverse.T * half * inverse)
    mine = gaussian_map(*(torch.cov(z.T) for z in scaled))
    share = units[None] / units[:, None]
    error = ((mine - truth) * share).abs().max() / (truth * share).abs().max()
    assert float(error) < tolerance
