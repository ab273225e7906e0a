"""A control vector of llama.cpp, in a GGUF file.

The tensor `direction.N` is added to the output of layer N, counted from 0; there is none for layer
0 (`common_control_vector_load_one` in llama.cpp). Metadata are those that repeng writes and reads.
"""

from __future__ import annotations

from pathlib import Path

from langsteer.edits.edit import Edit
from langsteer.errors import SteeringError
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.gguf_file import write_directions


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """One `direction.N` [d] float32 for each layer. `SteeringError` for an edit at layer 0."""
    vectors = constants(edit, "a control vector of llama.cpp")
    if 0 in vectors:
        raise SteeringError(
            "a control vector of llama.cpp cannot act at layer 0, where this edit has a shift. "
            "Choose another layer, such as --layer 1."
        )
    write_directions(path, vectors, origin.model_type)
    note = "the strength is folded in; llama.cpp can scale all of it (--control-vector-scaled)"
    return Exported((path,), (note,), f"llama-server -m MODEL.gguf --control-vector {path}")


EXPORTER = Exporter("gguf", ".gguf", "a control vector of llama.cpp", write)
