"""Vectors in JSON: `.svec` of AISteer360, and what EasySteer takes in a request.

`.svec`: `{"directions": {"LAYER": [[…]]}}`, `[K, d]` a layer, of which one vector is needed; where
in a layer it acts is not said. EasySteer: `{"kind": "direction", "tensors": {"layer.N": …}}` with
float32 in base64 or as numbers.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from langsteer.errors import SpaceError
from langsteer.interchange.importer import MOST_WIDTH, Found, Importer, LayerNumbers, by_layer


def read(path: Path, numbers: LayerNumbers) -> Found | None:
    """The vectors of an object."""
    try:
        held = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SpaceError(f"it is no JSON: {str(error)[:80]}") from error
    if not isinstance(held, dict):
        return None
    if isinstance(held.get("directions"), dict):
        return _svec(held, numbers)
    if isinstance(held.get("tensors"), dict):
        return _easysteer(held, numbers)
    return None


def _svec(held: Mapping[str, Any], numbers: LayerNumbers) -> Found:
    named = {_layer(name): _numbers(one, name) for name, one in held["directions"].items()}
    if not named:
        raise SpaceError("there is no direction in it")
    return Found(
        "svec",
        "direction",
        by_layer(named, numbers),
        f"layers {min(named)} to {max(named)}, counted from {numbers.base or 0}",
        depth=numbers.depth,
        model_type=str(held.get("model_type", ""))[:40],
        notes=("the file does not say where in a layer it acts; taken is the layer's output",),
    )


def _easysteer(held: Mapping[str, Any], numbers: LayerNumbers) -> Found:
    if held.get("kind") != "direction":
        raise SpaceError(f"its kind is {held.get('kind')!r}, and directions are needed")
    named = {}
    for name, one in held["tensors"].items():
        data = one.get("data") if isinstance(one, dict) else None
        vector = _decoded(data, name) if isinstance(data, str) else _numbers(data, name)
        named[_layer(name.removeprefix("layer."))] = vector
    if not named:
        raise SpaceError("there is no direction in it")
    return Found(
        "easysteer",
        "direction",
        by_layer(named, numbers),
        f"layer.{min(named)} to layer.{max(named)}, counted from {numbers.base or 0}",
        depth=numbers.depth,
    )


def _layer(name: str) -> int:
    if not name.lstrip("-").isdecimal() or len(name) > 5:
        raise SpaceError(f"{name[:60]!r} is no number of a layer")
    return int(name)


def _decoded(data: str, name: str) -> Tensor:
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SpaceError(f"layer {name[:60]!r} is no base64") from error
    if len(raw) % 4:
        raise SpaceError(f"layer {name[:60]!r} is no array of float32")
    return torch.from_numpy(np.frombuffer(raw, "<f4").copy())


def _numbers(given: Any, name: str) -> Tensor:
    """A vector from a list of numbers, or from a list of one such list."""
    while isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
        given = given[0]
    plain = isinstance(given, list) and 0 < len(given) <= MOST_WIDTH
    if not plain or not all(type(one) in (int, float) for one in given):
        raise SpaceError(f"layer {name[:60]!r} is not one list of numbers")
    try:
        return torch.tensor([float(one) for one in given], dtype=torch.float64)
    except OverflowError as error:
        raise SpaceError(f"layer {name[:60]!r} holds a number that is too large") from error


IMPORTER = Importer("json", ".svec of AISteer360, and requests of EasySteer", b"{", read)
