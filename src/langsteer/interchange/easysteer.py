"""A vector for EasySteer: a GGUF file, and the request that applies it.

`direction.N` acts at the output of layer N, counted from 0. Unlike other formats the request says
at which tokens: `apply` has them by their place in the prompt and by the number of the step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langsteer.data.files import write_json
from langsteer.edits.edit import Edit
from langsteer.edits.scope import Scope
from langsteer.errors import SteeringError
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.gguf_file import write_directions

_PLACES: dict[str, dict[str, Any]] = {
    "all": {"prompt": "all", "generation": "all"},
    "prompt": {"prompt": "all"},
    "prompt_last": {"prompt_positions": [-1]},
    "generated": {"prompt_positions": [-1], "generation": "all"},
}
"""Scopes by name, and what `apply` says."""


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """`direction.N` [d] float32 for each layer, and beside it, as .json, the request's `steering`.

    `SteeringError` for a scope that is not one of those with a name.
    """
    places = next((said for name, said in _PLACES.items() if Scope.parse(name) == edit.scope), None)
    named = edit.at(scope=Scope()) if places is not None else edit
    vectors = constants(named, "a vector of EasySteer")
    beside = path.with_suffix(".json")
    vector = {
        "source": str(path.resolve()),
        "algorithm": "direct",
        "scale": 1.0,
        "layers": sorted(vectors),
        "normalize": False,
        "apply": places,
    }
    write_directions(path, vectors, origin.model_type, "langsteer")
    write_json(beside, {"steering": {"vectors": [vector]}}, SteeringError)
    note = "the strength is folded in: scale 1 is the whole edit, and other scales multiply it"
    return Exported((path, beside), (note,), f"the request's extra body: {beside}")


EXPORTER = Exporter("easysteer", "", "a vector of EasySteer (GGUF) and its request", write)
