"""A control vector of llama.cpp, in a GGUF file.

The tensor `direction.N` is added to the output of layer N, counted from 0; there is none for layer
0 (`common_control_vector_load_one` in llama.cpp). Metadata are those that repeng writes and reads.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from langsteer.data.files import write_whole
from langsteer.edits.edit import Edit
from langsteer.errors import SteeringError, optional_imports
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin

ARCHITECTURE = "controlvector"


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """One `direction.N` [d] float32 for each layer. `SteeringError` for an edit at layer 0."""
    vectors = constants(edit, "a control vector of llama.cpp")
    if 0 in vectors:
        raise SteeringError(
            "a control vector of llama.cpp cannot act at layer 0, where this edit has a shift. "
            "Choose another layer, such as --layer 1."
        )
    with optional_imports():
        from gguf import GGUFWriter  # noqa: PLC0415 - an extra
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vector.gguf"
        writer = GGUFWriter(file, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", origin.model_type)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(vectors))
        for layer, vector in vectors.items():
            writer.add_tensor(f"direction.{layer}", vector.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        write_whole(path, file.read_bytes(), SteeringError)
    return Exported((path,), ("strength and layers are fixed; llama.cpp takes no other scope",))


EXPORTER = Exporter("gguf", ".gguf", "a control vector of llama.cpp", write)
