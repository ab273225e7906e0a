"""A control vector of repeng: the same GGUF file, in which layer 0 may stand, too.

`ControlVector.import_gguf` takes `direction.N` for the output of layer N, counted from 0, and needs
the metadata `model_hint`.
"""

from __future__ import annotations

from pathlib import Path

from langsteer.edits.edit import Edit
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.gguf_file import write_directions


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """One `direction.N` [d] float32 for each layer."""
    vectors = constants(edit, "a control vector of repeng")
    write_directions(path, vectors, origin.model_type)
    use = (
        f"model = ControlModel(model, {sorted(vectors)}); "
        f"model.set_control(ControlVector.import_gguf({str(path)!r}), 1.0)"
    )
    return Exported((path,), ("the strength is folded in: use it with coefficient 1",), use)


EXPORTER = Exporter("repeng", "", "a control vector of repeng (GGUF)", write)
