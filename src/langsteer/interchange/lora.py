"""A LoRA adapter that adds the edit, for engines that take one with each request.

LoRA adds a product with what a linear layer is given, so a constant needs a constant there. The
base has one more neuron in each MLP, whose value is 1 whatever its input: its gate and its other
half are biases alone, and its column of `down_proj` is zero, so that the base computes what the
model did. An adapter of rank 1 has the edit in that column.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from langsteer.data.files import spoken
from langsteer.edits.edit import Edit
from langsteer.errors import SteeringError
from langsteer.interchange.checkpoint import (
    Change,
    CheckpointFiles,
    require_free,
    whole_folder,
    write_changed,
)
from langsteer.interchange.constants import constants
from langsteer.interchange.exporter import Exported, Exporter, Origin
from langsteer.interchange.rebuilt import BIASED, as_llama, kind_of

PADDING = 32
"""Neurons that each MLP has more: one is used, the others keep its size divisible."""
GATE = 32.0
"""silu(32) is 32 to the last digit of float32, and 1/32 of it is 1."""
MARK = "langsteer_constant_neuron"
_MLP = (".mlp.gate_proj.", ".mlp.up_proj.", ".mlp.down_proj.")


def write(edit: Edit, path: Path, origin: Origin) -> Exported:
    """A PEFT adapter in the folder `path`, and its base in `path`-base unless that is there.

    `SteeringError` for a kind of model without biases in its MLPs.
    """
    vectors = constants(edit, "a LoRA adapter")
    require_free(path)
    source = CheckpointFiles.of(origin.model)
    kind_of(source, BIASED, "a base for constant LoRA adapters")
    base = path.with_name("base")
    files = [path]
    if base.exists():
        _require_base(base, source)
    else:
        write_changed(source, _with_neuron(source), base)
        files.append(base)
    _write_adapter(path, base, vectors, source.config["intermediate_size"])
    notes = (
        "the strength is folded in: another one needs another adapter, or a scale on llama-server",
        f"all adapters beside {base} share that base, which computes what the model does",
    )
    use = f"vllm serve {base} --enable-lora --lora-modules {path.name}={path}"
    return Exported(tuple(files), notes, use)


def _with_neuron(source: CheckpointFiles) -> Change:
    """The model with the constant neuron, behind all others."""
    if source.config.get("hidden_act", "silu") != "silu":
        raise SteeringError(
            f"the MLPs of this model use {source.config['hidden_act']}, and the constant neuron is "
            "made for silu. Use another format."
        )
    plain = as_llama(source)
    wide = source.config["intermediate_size"]

    def changed(name: str, tensor: Tensor) -> Tensor:
        if not any(part in name for part in _MLP):
            return tensor
        if ".down_proj." in name:
            return tensor if name.endswith("bias") else _padded(tensor, 1)
        grown = _padded(tensor, 0)
        if name.endswith("bias"):
            grown[wide] = GATE if ".gate_proj." in name else 1 / GATE
        return grown

    added = {name: changed(name, one) for name, one in plain.added.items()}
    config = plain.config | {"intermediate_size": wide + PADDING, MARK: wide}
    return Change(config, added, plain.renamed, changed)


def _padded(tensor: Tensor, dim: int) -> Tensor:
    shape = list(tensor.shape)
    shape[dim] = PADDING
    return torch.cat([tensor, tensor.new_zeros(shape)], dim)


def _require_base(base: Path, source: CheckpointFiles) -> None:
    """The folder must be the base of this very model."""
    found = CheckpointFiles.of(str(base))
    want = _with_neuron(source).config
    if found.config != want:
        raise SteeringError(
            f"{spoken(base)} is there, but is no base of this model for constant adapters. Give an "
            "output in another folder."
        )


def _write_adapter(path: Path, base: Path, vectors: dict[int, Tensor], neuron: int) -> None:
    tensors = {}
    for layer, vector in vectors.items():
        own = f"base_model.model.model.layers.{layer}.mlp.down_proj"
        read = torch.zeros(1, neuron + PADDING)
        read[0, neuron] = 1.0
        tensors[f"{own}.lora_A.weight"] = read
        tensors[f"{own}.lora_B.weight"] = vector[:, None].contiguous()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base.resolve()),
        "r": 1,
        "lora_alpha": 1,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["down_proj"],
        "layers_to_transform": sorted(vectors),
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    with whole_folder(path) as part:
        save_file(tensors, part / "adapter_model.safetensors", metadata={"format": "pt"})
        (part / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


EXPORTER = Exporter("lora", "", "a LoRA adapter and its base, for multi-LoRA servers", write)
