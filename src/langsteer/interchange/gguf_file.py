"""A GGUF file of directions, one for each layer, as llama.cpp, repeng and EasySteer read it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from langsteer.data.files import write_whole
from langsteer.errors import SteeringError, optional_imports

ARCHITECTURE = "controlvector"


def write_directions(
    path: Path, vectors: Mapping[int, Tensor], model_type: str, method: str = ""
) -> None:
    """One `direction.N` [d] float32 for each layer N, whole or not at all.

    The metadata are those that repeng writes, with the `method` that EasySteer notes.
    """
    with optional_imports():
        from gguf import GGUFWriter  # noqa: PLC0415 - an extra
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vector.gguf"
        writer = GGUFWriter(file, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", model_type)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(vectors))
        if method:
            writer.add_string(f"{ARCHITECTURE}.method", method)
        for layer, vector in sorted(vectors.items()):
            writer.add_tensor(f"direction.{layer}", vector.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        write_whole(path, file.read_bytes(), SteeringError)
