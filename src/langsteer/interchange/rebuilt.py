"""Checkpoints that add a constant at the output of a layer, in the words of their architecture.

A Llama can have biases in its MLPs: that of `down_proj` is added to the residual stream as it is.
Mistral without a window and Qwen2 are Llamas under another name. Qwen3 and Gemma have no bias at
that place. There a layer is inserted whose MLP is zero and whose attention, as its values are a
bias alone, gives the same vector whatever it looks at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from langsteer.errors import SteeringError
from langsteer.interchange.checkpoint import Change, CheckpointFiles
from langsteer.interchange.model_config import config_of

BIASED = ("llama", "mistral", "qwen2")
"""Kinds of models that can be written as a Llama with biases."""
INSERTED = ("qwen3", "gemma2", "gemma3_text")
"""Kinds in which a layer is inserted."""
_WINDOW = ("sliding_window", "use_sliding_window", "max_window_layers", "layer_types")
_LAYER = re.compile(r"^(model\.layers\.)(\d+)(\..+)$")


def kind_of(source: CheckpointFiles, kinds: tuple[str, ...], what: str) -> str:
    """The kind of a model. `SteeringError` if it is none of these."""
    kind = str(source.config.get("model_type"))
    if kind not in kinds:
        raise SteeringError(
            f"{what} can be written for {', '.join(kinds)}, where it is exact, and this model is a "
            f"{kind}. Use a format that acts beside the weights, such as gguf, or langsteer itself."
        )
    return kind


def as_llama(source: CheckpointFiles) -> Change:
    """The same model as a Llama with biases in its MLPs, all of them zero.

    Raises:
        SteeringError: its attention looks back through a window, which a Llama's does not.
    """
    config = dict(source.config)
    kind = config["model_type"]
    _refuse_windows(config)
    added: dict[str, Tensor] = {}
    depth, width = config["num_hidden_layers"], config["hidden_size"]
    wide = config["intermediate_size"]
    for layer in range(depth):
        sizes = {"mlp.gate_proj": wide, "mlp.up_proj": wide, "mlp.down_proj": width}
        if kind == "qwen2":
            sizes["self_attn.o_proj"] = width
        for name, size in sizes.items():
            key = f"model.layers.{layer}.{name}.bias"
            if key not in source.names:
                added[key] = torch.zeros(size)
    if kind != "llama":
        config |= {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
        config = {key: value for key, value in config.items() if key not in _WINDOW}
        heads = config["num_attention_heads"]
        config["head_dim"] = config.get("head_dim") or width // heads
        config["attention_bias"] = kind == "qwen2"
    config["mlp_bias"] = True
    return Change(config, added)


def with_bias(source: CheckpointFiles, vectors: Mapping[int, Tensor]) -> Change:
    """A Llama whose MLPs add these vectors `{layer: [d]}`."""
    change = as_llama(source)
    names = {f"model.layers.{layer}.mlp.down_proj.bias": one for layer, one in vectors.items()}
    change.added.update({name: one for name, one in names.items() if name in change.added})

    def changed(name: str, tensor: Tensor) -> Tensor:
        return tensor + names[name].to(tensor.dtype) if name in names else tensor

    return Change(change.config, change.added, change.renamed, changed)


def with_layers(source: CheckpointFiles, vectors: Mapping[int, Tensor]) -> Change:
    """The same model with a layer after each of these `{layer: [d]}` that adds its vector."""
    config = dict(source.config)
    depth = config["num_hidden_layers"]
    kinds = list(config.get("layer_types") or config_of(str(source.folder)).layer_types)
    before = sorted(vectors)

    def place(layer: int) -> int:
        return layer + sum(one < layer for one in before)

    def renamed(name: str) -> str:
        found = _LAYER.match(name)
        return f"{found[1]}{place(int(found[2]))}{found[3]}" if found else name

    added: dict[str, Tensor] = {}
    for layer in range(depth):
        for part, size in _attention_sizes(config).items():
            key = f"model.layers.{layer}.self_attn.{part}.bias"
            if key not in source.names:
                added[renamed(key)] = torch.zeros(size)
    for layer in before:
        own = f"model.layers.{place(layer) + 1}."
        added |= {f"{own}{name}": one for name, one in _inserted(config, vectors[layer]).items()}
        kinds[layer] = f"{kinds[layer]}|full_attention"
    config["layer_types"] = [one for kind in kinds for one in kind.split("|")]
    config |= {"num_hidden_layers": depth + len(before), "attention_bias": True}
    return Change(config, added, renamed)


def _refuse_windows(config: Mapping[str, Any]) -> None:
    window, reach = config.get("sliding_window"), config.get("max_position_embeddings", 0)
    used = config.get("use_sliding_window", config["model_type"] == "mistral")
    if used and window is not None and window < reach:
        raise SteeringError(
            f"the attention of this model looks back through a window of {window} tokens, which "
            "the architecture that has biases cannot. Use a format that acts beside the weights, "
            "such as gguf, or langsteer itself."
        )


def _attention_sizes(config: Mapping[str, Any]) -> dict[str, int]:
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    keys = config.get("num_key_value_heads", heads) * size
    return {
        "q_proj": heads * size,
        "k_proj": keys,
        "v_proj": keys,
        "o_proj": config["hidden_size"],
    }


def _inserted(config: Mapping[str, Any], vector: Tensor) -> dict[str, Tensor]:
    """The weights of a layer that adds `vector [d]` and nothing else."""
    gemma = config["model_type"].startswith("gemma")
    width, wide = config["hidden_size"], config["intermediate_size"]
    sizes = _attention_sizes(config)
    head = config.get("head_dim") or width // config["num_attention_heads"]
    # Gemma's norms multiply by 1 + weight, Qwen's by the weight.
    plain = torch.zeros if gemma else torch.ones
    found = {
        f"self_attn.{part}.weight": torch.zeros(size, width)
        for part, size in sizes.items()
        if part != "o_proj"
    }
    found |= {f"self_attn.{part}.bias": torch.zeros(size) for part, size in sizes.items()}
    found["self_attn.v_proj.bias"][::head] = 1.0
    found["mlp.gate_proj.weight"] = torch.zeros(wide, width)
    found["mlp.up_proj.weight"] = torch.zeros(wide, width)
    found["mlp.down_proj.weight"] = torch.zeros(width, wide)
    found["input_layernorm.weight"] = plain(width)
    found["post_attention_layernorm.weight"] = plain(width)
    if config["model_type"] in ("qwen3", "gemma3_text"):
        found["self_attn.q_norm.weight"], found["self_attn.k_norm.weight"] = (
            plain(head),
            plain(head),
        )
    written = vector.clone()
    if gemma:
        found["pre_feedforward_layernorm.weight"] = plain(width)
        found["post_feedforward_layernorm.weight"] = plain(width)
        written, weight = _before_norm(vector.double(), float(config.get("rms_norm_eps", 1e-6)))
        found["post_attention_layernorm.weight"] = torch.full((width,), weight)
    found["self_attn.o_proj.weight"] = torch.zeros(width, sizes["q_proj"])
    found["self_attn.o_proj.weight"][:, 0] = written.float()
    return found


def _before_norm(vector: Tensor, eps: float) -> tuple[Tensor, float]:
    """`x [d]` and `w` so that `x / sqrt(mean x² + eps) · (1 + w)` is the vector.

    The norm takes the size away, but for what `eps` leaves of it; `1 + w` is a power of two, which
    every dtype holds exactly.
    """
    mean = float(vector.square().mean())
    power = 1.0
    while mean / power**2 >= 0.5:
        power *= 2
    scaled = vector / power
    return scaled * math.sqrt(eps / (1 - mean / power**2)), power - 1
