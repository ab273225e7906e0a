"""Plain tensors: a file for `torch.load(…, weights_only=True)`, and JSON that explains it."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from langsteer.data.files import write_json, write_whole
from langsteer.edits.edit import Edit
from langsteer.errors import SteeringError
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin


def save_tensors(path: Path, value: Any) -> None:
    """What `torch.load(path, weights_only=True)` gives back, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_whole(path, buffer.getvalue(), SteeringError)


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """`{layer: vector [d] float32}`, 0-based layer outputs, and `path` with the suffix .json."""
    vectors = constants(edit, "a file of plain tensors")
    beside = path.with_suffix(".json")
    facts = {"site": "layer_output", "layer_base": 0, "layers": sorted(vectors), **asdict(origin)}
    save_tensors(path, vectors)
    write_json(beside, facts, SteeringError)
    return Exported((path, beside), use=f"torch.load({str(path)!r}, weights_only=True)")


EXPORTER = Exporter("pt", ".pt", "plain tensors with a JSON file beside them", write)
