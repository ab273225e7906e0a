"""Every map in the registry has the file and the class that it says."""

import pytest

from langsteer.edits.maps import MAPS, Map, map_kind
from langsteer.edits.maps.registry import name_of
from langsteer.errors import SteeringError


@pytest.mark.parametrize("name", MAPS)
def test_a_registered_map_is_there(name: str) -> None:
    kind = map_kind(name)
    assert issubclass(kind, Map)
    assert name_of(object.__new__(kind)) == name.replace("_", "-")


def test_another_name_is_an_error_that_lists_them() -> None:
    with pytest.raises(SteeringError, match="choose from affine"):
        map_kind("rotation")
