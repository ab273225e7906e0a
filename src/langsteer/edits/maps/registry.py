"""The kinds of maps. To add one, write a `Map` in a file of its own and add a line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from langsteer.edits.maps.base import Map
from langsteer.errors import SteeringError

MAPS: Mapping[str, str] = {
    "affine": "Affine",
    "clamp": "Clamp",
    "diagonal": "Diagonal",
    "low_rank": "LowRank",
    "shift": "Shift",
}
"""Module → class: the module is the file's name and what the kind is called."""


def map_kind(name: str) -> type[Map]:
    """The class of maps with this name.

    Raises:
        SteeringError: there is none.
    """
    if name not in MAPS:
        raise SteeringError(f"{name!r} is not a kind of map; choose from {', '.join(MAPS)}")
    found: type[Map] = getattr(import_module(f"langsteer.edits.maps.{name}"), MAPS[name])
    return found


def name_of(given: Map) -> str:
    """What the kind of a map is called, in words; the name of its class if it is not registered."""
    kind = type(given).__name__
    return next((name for name, known in MAPS.items() if known == kind), kind).replace("_", "-")
