"""A file for the model type `steered` of lm-evaluation-harness.

For each place, a path of a module relative to the model's base model such as `layers.14`, it says
what to add there. `bias` must be None: with another value nothing may be added. The file loads with
`weights_only=True`.
"""

from __future__ import annotations

from pathlib import Path

from langsteer.edits.edit import Edit
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.model_config import layers_path
from langsteer.interchange.pt import save_tensors


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """`{place: {"steering_vector": [d], …}}` for each layer."""
    vectors = constants(edit, "a file for lm-evaluation-harness")
    layers = layers_path(origin.model)
    places = {
        f"{layers}.{layer}": {
            "steering_vector": vector,
            "steering_coefficient": 1.0,
            "action": "add",
            "bias": None,
            "head_index": None,
        }
        for layer, vector in vectors.items()
    }
    save_tensors(path, places)
    use = f"lm_eval --model steered --model_args pretrained={origin.model},steer_path={path}"
    note = (
        "padding is edited too; the model type langsteer edits as everywhere (docs/interchange.md)"
    )
    return Exported((path,), (note,), use)


EXPORTER = Exporter("lm-eval", "", "a file for --model steered of lm-evaluation-harness", write)
