"""Maps: one meaning of strength, closed under composition, undone where that is possible."""

import pytest
import torch

from langsteer.edits.maps import Affine, Diagonal, LowRank, Shift, affine
from langsteer.errors import SteeringError

D = 6


def some(kind, seed=0):
    g = torch.Generator().manual_seed(seed)
    r = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    return {
        "shift": lambda: Shift(r(D)),
        "diagonal": lambda: Diagonal(1 + 0.3 * r(D), r(D)),
        "low-rank": lambda: LowRank(0.4 * r(D, 2), 0.4 * r(D, 2), r(D)),
        "affine": lambda: Affine(torch.eye(D) + 0.2 * r(D, D), r(D)),
    }[kind]()


KINDS = ("shift", "diagonal", "low-rank", "affine")
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strength_zero_is_the_latent_bit_for_bit(kind, dtype):
    z = torch.randn(3, 4, D).to(dtype)
    z[0, 0, 0], z[0, 0, 1] = -0.0, torch.inf
    edited = some(kind)(z, 0.0)
    assert edited.dtype == dtype
    assert torch.equal(edited.view(torch.uint8), z.view(torch.uint8))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strength_interpolates_between_the_latent_and_the_map(kind, dtype):
    z = torch.randn(3, 4, D).to(dtype)
    given = some(kind)
    wide = z.to(torch.promote_types(dtype, torch.float32))
    target = affine(given)
    mapped = wide @ target.matrix.to(wide.dtype).T + target.bias.to(wide.dtype)
    for strength in (1.0, 0.5, -1.0, 2.0):
        expected = (wide + strength * (mapped - wide)).to(dtype)
        edited = given(z, strength)
        assert edited.dtype == dtype
        assert edited.shape == z.shape
        torch.testing.assert_close(edited, expected, atol=1e-5, rtol=torch.finfo(dtype).eps * 4)


def test_half_precision_is_rounded_once():
    """256 + 1 is not a bfloat16; a sum in bfloat16 of many parts would lose the half as well."""
    z = torch.full((D,), 256.0, dtype=torch.bfloat16)
    shift = Shift(torch.full((D,), 3.0))
    assert torch.equal(shift(z, 0.5), torch.full((D,), 258.0, dtype=torch.bfloat16))


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_composition_applies_the_first_and_then_the_second(first, second):
    a, b = some(first, 1), some(second, 2)
    z = torch.randn(5, D)
    torch.testing.assert_close(a.then(b)(z), b(a(z)), atol=1e-4, rtol=1e-4)


def test_composition_stays_as_thin_as_its_parts():
    thin, shift, diagonal = some("low-rank"), some("shift"), some("diagonal")
    assert isinstance(shift.then(shift), Shift)
    assert isinstance(shift.then(thin), LowRank)
    assert isinstance(thin.then(shift), LowRank)
    assert thin.then(thin).rank == 4
    assert isinstance(diagonal.then(diagonal), Diagonal)
    assert isinstance(shift.then(diagonal), Diagonal)


@pytest.mark.parametrize("kind", KINDS)
def test_inverse_undoes(kind):
    given = some(kind, 3)
    z = torch.randn(5, D)
    back = given.inverse()
    assert type(back) is type(given)
    torch.testing.assert_close(back(given(z)), z, atol=1e-4, rtol=1e-4)


def test_maps_that_erase_are_not_undone():
    u = torch.linalg.qr(torch.randn(D, 2)).Q
    with pytest.raises(SteeringError, match="erases a direction"):
        LowRank(-u, u, torch.zeros(D)).inverse()
    with pytest.raises(SteeringError, match="zero"):
        Diagonal(torch.zeros(D), torch.zeros(D)).inverse()
    with pytest.raises(SteeringError, match="singular"):
        Affine(torch.zeros(D, D), torch.zeros(D)).inverse()


@pytest.mark.parametrize("kind", KINDS)
def test_moving_keeps_the_map(kind):
    given = some(kind)
    z = torch.randn(2, D)
    assert torch.equal(given.to("cpu")(z), given(z))
    assert given.to("meta").width == D
