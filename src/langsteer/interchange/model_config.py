"""What the configuration of a model says: its kind, its shape, and where its layers are."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from langsteer.errors import ModelError


@dataclass(frozen=True)
class Shape:
    """A model in three words: its kind, the number of its layers, and the width of its stream."""

    model_type: str
    depth: int
    width: int


def config_of(model: str) -> Any:
    """The configuration of a model in a folder, or of that name on the hub; code is never run.

    Raises:
        ModelError: it is not given, cannot be found, or its kind is not known.
    """
    if not model:
        raise ModelError("the model is not known. Name its folder or hub name with --model.")
    path = Path(model)
    if path.exists() and not (path / "config.json").is_file():
        raise ModelError(f"{model} is no folder of a model: there is no config.json in it.")
    if not path.exists() and model.startswith(("/", "./", "../", "~")):
        raise ModelError(f"there is no folder {model}. Name that of the model with --model.")
    logging.getLogger("transformers.configuration_utils").setLevel(logging.ERROR)
    try:
        return AutoConfig.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RecursionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"the configuration of {model!r} cannot be read: {first} Give the folder of the model "
            "with --model."
        ) from error


def shape_of(model: str) -> Shape:
    """The shape of a model. `ModelError` as for `config_of`."""
    config = config_of(model)
    text = config.get_text_config(decoder=True)
    return Shape(str(config.model_type), int(text.num_hidden_layers), int(text.hidden_size))


def layers_path(model: str) -> str:
    """Where the decoder layers are, relative to the base model, such as `layers` or `h`.

    Raises:
        ModelError: as for `config_of`, or there is no one list of layers.
    """
    config = config_of(model)
    with torch.device("meta"):
        built = cast(Any, AutoModelForCausalLM).from_config(config, trust_remote_code=False)
    base: nn.Module = built.base_model
    depth = config.get_text_config(decoder=True).num_hidden_layers
    found: list[str] = [
        name
        for name, module in base.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    outer = [one for one in found if not any(one.startswith(f"{other}.") for other in found)]
    if len(outer) != 1:
        raise ModelError(
            f"the layers of {model!r} cannot be told: it has {len(outer)} lists of {depth} modules"
        )
    return outer[0]
