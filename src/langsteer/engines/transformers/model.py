"""Load a causal language model with its tokenizer, and bind its residual stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import ModelError


class Model:
    """A causal language model in evaluation mode with its tokenizer and its residual stream.

    Args:
        hf: a causal language model of transformers.
        tokenizer: its tokenizer; it is not changed.
        layers: path of the list of decoder layers, such as `model.layers`; found by itself if None.
        name: what the model is called; its own name or path if empty.

    Raises:
        ModelError: the decoder layers cannot be found.
    """

    def __init__(
        self,
        hf: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        layers: str | None = None,
        name: str = "",
    ) -> None:
        self.hf = hf
        self.tokenizer = tokenizer
        self.stream = ResidualStream(hf, blocks=layers)
        self.name = name or str(getattr(hf.config, "name_or_path", ""))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        layers: str | None = None,
        trust_remote_code: bool = False,
    ) -> Model:
        """Load a model from a folder, or by its name on the Hugging Face hub.

        Args:
            name_or_path: a folder with `config.json`, or a hub name such as `org/model`.
            device: a torch device, or `auto` for the best one at hand.
            dtype: a torch dtype by name, or `auto`: the checkpoint's own, but float32 on a CPU,
                where half precision is slow and rounds more.
            layers: path of the list of decoder layers; found by itself if None.
            trust_remote_code: whether code that comes with the model may run.

        Raises:
            ModelError: no such model, an unreadable one, or one whose stream cannot be found.
        """
        name = str(name_or_path)
        place = _device(device)
        _check_path(name)
        options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, **options)
            model = AutoModelForCausalLM.from_pretrained(name, dtype=_dtype(dtype), **options)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise ModelError(
                f"the model {name!r} cannot be loaded: {_first_line(error)} "
                "Give a folder with config.json, the weights and a tokenizer, or a name on the hub."
            ) from error
        half = model.dtype in (torch.float16, torch.bfloat16)
        if dtype == "auto" and place.type == "cpu" and half:
            nn.Module.to(model, torch.float32)
        nn.Module.to(model, place)
        nn.Module.train(model, False)
        return cls(model, tokenizer, layers=layers, name=name)

    @property
    def depth(self) -> int:
        """The number of decoder layers."""
        return self.stream.depth

    @property
    def width(self) -> int:
        """The width `d` of the residual stream."""
        return self.stream.width


def _check_path(name: str) -> None:
    path = Path(name).expanduser()
    if path.is_file():
        raise ModelError(f"{name!r} is a file; give the folder that holds config.json")
    if path.is_dir() and not (path / "config.json").is_file():
        raise ModelError(f"the folder {name!r} holds no config.json, so it is not a model")
    if not path.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ModelError(f"there is no model folder {name!r}; check the path")


def _device(device: str) -> torch.device:
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"{device!r} is not a device; try auto, cpu or cuda") from error


def _dtype(name: str) -> Any:
    if name == "auto":
        return name
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ModelError(f"{name!r} is not a floating dtype; try auto, float32, bfloat16, float16")
    return dtype


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".") + "."
