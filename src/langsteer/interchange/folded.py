"""A checkpoint with the edit in its weights: it needs nothing beside it, and costs nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from langsteer.edits.edit import Edit
from langsteer.interchange.checkpoint import Change, CheckpointFiles, require_free, write_changed
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.rebuilt import BIASED, INSERTED, kind_of, with_bias, with_layers

ROUNDED = (
    "the edit is rounded to {dtype}, the data type of the weights; for an exact one give a "
    "checkpoint in float32"
)


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """A folder with the model, in which each edited layer adds its vector.

    `SteeringError` for a kind of model in which that cannot be exact.
    """
    what = "a checkpoint with the edit in its weights"
    vectors = {layer: one for layer, one in constants(edit, what).items() if bool(one.any())}
    require_free(path)
    source = CheckpointFiles.of(origin.model)
    kind = kind_of(source, (*BIASED, *INSERTED), what)
    if not vectors:
        write_changed(source, Change(source.config), path)
        return Exported((path,), ("the edit changes nothing: this is the model as it was",))
    change = (with_bias if kind in BIASED else with_layers)(source, vectors)
    write_changed(source, change, path)
    notes = [_how(kind, len(vectors))]
    if source.dtype != torch.float32:
        notes.append(ROUNDED.format(dtype=str(source.dtype).removeprefix("torch.")))
    return Exported((path,), tuple(notes), f"vllm serve {path}")


def _how(kind: str, count: int) -> str:
    if kind == "llama":
        return "the model has biases in its MLPs now; nothing else is changed"
    if kind in BIASED:
        return f"the {kind} is written as a llama with biases, which computes the same"
    llama_cpp = (
        "; llama.cpp counts on the usual order of layers and cannot run it: use gguf there"
        if kind.startswith("gemma")
        else ""
    )
    return (
        f"{count} layers were inserted, each of which adds its vector and nothing else{llama_cpp}"
    )


EXPORTER = Exporter("folded", "", "a checkpoint with the edit in its weights", write)
