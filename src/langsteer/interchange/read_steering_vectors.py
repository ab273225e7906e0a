"""Vectors for steering-vectors and of lm-evaluation-harness: files of torch with a dictionary.

`{layer: vector}` is what `SteeringVector.layer_activations` is, with layers counted from 0 or,
below 0, from the end; `{"layers.N": {"steering_vector": …, "steering_coefficient": …}}` is what the
model type `steered` of lm-evaluation-harness reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from langsteer.errors import SpaceError
from langsteer.interchange.importer import Found, Importer, LayerNumbers, by_layer
from langsteer.interchange.torch_file import BEGINS, load_torch

PLACE = re.compile(r"(?:^|.*\.)(\d{1,4})$")


def read(path: Path, numbers: LayerNumbers) -> Found | None:
    """The vectors of a dictionary."""
    held = load_torch(path)
    if not isinstance(held, dict) or not held:
        return None
    values = list(held.values())
    if all(isinstance(one, dict) for one in values):
        return _steered(held, numbers)
    whole = all(type(layer) is int for layer in held)
    if not whole or not all(isinstance(one, Tensor) for one in values):
        return None
    return Found(
        "steering-vectors",
        "direction",
        by_layer(held, numbers),
        f"layers {min(held)} to {max(held)}, counted from {numbers.base or 0}",
        depth=numbers.depth,
    )


def _steered(held: Mapping[Any, Any], numbers: LayerNumbers) -> Found | None:
    if not all("steering_vector" in one for one in held.values()):
        return None
    named: dict[int, Tensor] = {}
    for place, one in held.items():
        match = PLACE.fullmatch(str(place))
        vector, size = one["steering_vector"], one.get("steering_coefficient", 1.0)
        if match is None or not isinstance(vector, Tensor):
            raise SpaceError(f"{str(place)[:60]!r} is no layer with a vector")
        if one.get("action", "add") != "add" or one.get("bias") is not None:
            raise SpaceError(f"{str(place)[:60]!r} does more than to add a vector")
        if one.get("head_index") is not None:
            raise SpaceError(f"{str(place)[:60]!r} acts on one head and not on the stream")
        if not isinstance(size, int | float) or not math.isfinite(size):
            raise SpaceError(f"{str(place)[:60]!r} has the coefficient {size!r}")
        if vector.numel() > 2**17:
            raise SpaceError(f"{str(place)[:60]!r} has the shape {tuple(vector.shape)}")
        named[int(match[1])] = vector if size == 1 else vector.float() * size
    return Found(
        "lm-eval",
        "direction",
        by_layer(named, LayerNumbers(0, numbers.depth)),
        f"layers {min(named)} to {max(named)} by name; coefficients are multiplied in",
        depth=numbers.depth,
    )


IMPORTER = Importer(
    "steering-vectors", "vectors of steering-vectors and lm-evaluation-harness", BEGINS, read
)
