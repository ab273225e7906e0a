"""A clamp sets the coordinate along a direction, and nothing else."""

import pytest
import torch

from langsteer.edits import Edit
from langsteer.edits.maps import MAPS, Shift, map_kind
from langsteer.edits.maps.clamp import Clamp
from langsteer.edits.table import EditTable
from langsteer.errors import SteeringError

DIRECTION = torch.tensor([0.6, 0.0, 0.8])


def test_it_sets_the_coordinate_and_leaves_what_is_orthogonal() -> None:
    z = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    found = Clamp(DIRECTION, 2.5)(z)
    torch.testing.assert_close(found @ DIRECTION, torch.full((4, 5), 2.5))
    across = torch.eye(3) - torch.outer(DIRECTION, DIRECTION)
    torch.testing.assert_close(found @ across, z @ across)
    torch.testing.assert_close(Clamp(DIRECTION, 2.5)(found), found)
    half = Clamp(DIRECTION, 2.5)(z, 0.5)
    torch.testing.assert_close(half @ DIRECTION, (z @ DIRECTION + 2.5) / 2)


def test_a_table_and_a_composition_say_the_same() -> None:
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    clamp = Clamp(DIRECTION, -1.0)
    layer = EditTable.of([Edit({0: clamp})]).layers[0]
    assert not layer.groups
    found = z + (z @ layer.right) @ layer.left.T + layer.shifts[1]
    torch.testing.assert_close(found, clamp(z))
    shift = Shift(torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(clamp.then(shift)(z), shift(clamp(z)))
    torch.testing.assert_close(shift.then(clamp)(z), clamp(shift(z)))
    assert clamp.then(Clamp(DIRECTION, 4.0)).value == 4.0


def test_it_is_registered() -> None:
    assert "clamp" in MAPS
    assert map_kind("clamp") is Clamp


def test_what_is_no_direction_and_what_cannot_be_undone_are_errors() -> None:
    with pytest.raises(SteeringError, match="norm 1, not 2"):
        Clamp(2 * DIRECTION)
    with pytest.raises(SteeringError, match="cannot be undone"):
        Clamp(DIRECTION).inverse()
