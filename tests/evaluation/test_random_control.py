"""The random control is as large as the edit that it stands beside."""

from __future__ import annotations

import pytest
import torch

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Affine, Diagonal, LowRank, Map, Shift
from langsteer.evaluation.random_control import random_like

D = 12


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.manual_seed(sum(shape)))


MAPS: list[Map] = [
    Shift(draw(D)),
    Diagonal(draw(D), draw(D)),
    LowRank(draw(D, 2), draw(D, 2), draw(D)),
    Affine(draw(D, D), draw(D)),
]


@pytest.mark.parametrize("map_", MAPS, ids=lambda one: type(one).__name__)
def test_the_change_has_the_norm_of_the_edit_at_every_latent(map_: Map) -> None:
    made = random_like(Edit({3: map_}, strength=0.7), "en de").maps[3]
    z = draw(5, 4, D)
    sizes = torch.linalg.vector_norm(map_.change(z).expand_as(z), dim=-1)
    found = torch.linalg.vector_norm(made.change(z).expand_as(z), dim=-1)
    torch.testing.assert_close(found, sizes)
    assert torch.equal(made(z, 0.0), z)


def test_directions_differ_by_pair_and_layer_and_stay_the_same_between_runs() -> None:
    def vector(name: str, layer: int) -> torch.Tensor:
        (made,) = random_like(Edit({layer: MAPS[0]}), name).maps.values()
        return made.change(torch.zeros(D))

    assert torch.equal(vector("en de", 1), vector("en de", 1))
    assert not torch.allclose(vector("en de", 1), vector("en fr", 1))
    assert not torch.allclose(vector("en de", 1), vector("en de", 2))
