"""Vectors for steering-vectors, whose `SteeringVector` is made of a dictionary of them.

The package has no file format of its own. Layers are those that `decoder_block` names, counted
from 0.
"""

from __future__ import annotations

from pathlib import Path

from langsteer.edits.edit import Edit
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.pt import save_tensors


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """`{layer: vector [d] float32}`, for `torch.load(…, weights_only=True)`."""
    vectors = constants(edit, "a SteeringVector")
    save_tensors(path, vectors)
    use = (
        f"SteeringVector(torch.load({str(path)!r}, weights_only=True), "
        '"decoder_block").apply(model)'
    )
    return Exported((path,), ("the strength is folded in: use it with multiplier 1",), use)


EXPORTER = Exporter("steering-vectors", "", "vectors for steering-vectors", write)
