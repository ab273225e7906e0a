"""Is every file of a model's folder what its name says? Asked before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from safetensors import SafetensorError, safe_open

from langsteer.errors import ModelError

ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The names of a model's weights, in the order in which transformers looks for them."""
_JSON = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    ADAPTER,
)
_POINTER = b"version https://git-lfs.github.com/spec/"
_POSITIVE = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "vocab_size",
)
_MOST_LAYERS = 10_000


def check_folder(folder: Path) -> None:
    """Require a folder of a model, or of an adapter, whose files can be read.

    Raises:
        ModelError: a file is missing, is a pointer of Git LFS, or is damaged; it is named.
    """
    try:
        names = {one.name for one in folder.iterdir()}
    except OSError as error:
        raise ModelError(
            f"the folder {str(folder)!r} cannot be read: {error.strerror}; check its permissions"
        ) from error
    if "config.json" not in names and ADAPTER not in names:
        raise ModelError(_no_config(folder, sorted(names)))
    values = {name: _object(folder / name) for name in _JSON if name in names}
    if "config.json" in names:
        _check_config(folder / "config.json", values["config.json"])
        _check_weights(folder)


def check_gguf(path: Path) -> None:
    """Require a GGUF file. `ModelError` if it is none, or a pointer of Git LFS."""
    if _begin(path)[:4] != b"GGUF":
        damaged(path, "it does not begin as a GGUF file does")


def read_adapter(folder: Path) -> dict[str, Any]:
    """The configuration of an adapter. `ModelError` if it or the weights cannot be read."""
    config = _object(folder / ADAPTER)
    weights = [folder / name for name in ADAPTER_WEIGHTS if (folder / name).is_file()]
    if not weights:
        raise ModelError(
            f"the adapter {str(folder)!r} has no weights: there is no {ADAPTER_WEIGHTS[0]}; "
            "fetch the whole folder, or use the model that the adapter was merged into"
        )
    _check_tensors(weights[0])
    return config


def damaged(path: Path, why: str) -> NoReturn:
    """Say that a file is damaged."""
    raise ModelError(f"{str(path)!r} is damaged: {why}; fetch the file again")


def _no_config(folder: Path, names: list[str]) -> str:
    gguf = [name for name in names if name.lower().endswith(".gguf")]
    if gguf:
        return (
            f"the folder {str(folder)!r} holds no config.json, but GGUF files; "
            f"name one of them, such as {str(folder / gguf[0])!r}"
        )
    return (
        f"the folder {str(folder)!r} holds no config.json, so it is not a model; "
        "give the folder that holds config.json, the weights and the tokenizer"
    )


def _begin(path: Path) -> bytes:
    """The first bytes of a file, which must not be empty or a pointer."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_POINTER))
    except OSError as error:
        raise ModelError(
            f"{str(path)!r} cannot be read: {error.strerror}; check the file and its permissions"
        ) from error
    if not begin:
        damaged(path, "it is empty")
    if begin == _POINTER:
        raise ModelError(
            f"{str(path)!r} is not the file itself but a pointer of Git LFS to it; "
            "fetch it with `git lfs pull`, or download the model again"
        )
    return begin


def _object(path: Path) -> dict[str, Any]:
    _begin(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        damaged(path, f"it is not JSON ({reason})")
    if not isinstance(value, dict):
        damaged(path, f"it holds {json.dumps(value)[:40]}, not a JSON object")
    return value


def _check_config(path: Path, config: dict[str, Any]) -> None:
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        for name in _POSITIVE:
            _check_number(path, name, part.get(name))


def _check_number(path: Path, name: str, value: Any) -> None:
    """Sizes are whole numbers above 0, or one for each layer."""
    for one in value if isinstance(value, list) else [value]:
        if one is not None and (type(one) is not int or one < 1):
            damaged(path, f"{name} is {json.dumps(value)[:40]}, not a whole number above 0")
        if name == "num_hidden_layers" and one is not None and one > _MOST_LAYERS:
            damaged(path, f"{name} is {one}, more than any model has")


def _check_weights(folder: Path) -> None:
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            _check_tensors(folder / name)
            return
        if index.is_file():
            _check_shards(index)
            return
    raise ModelError(
        f"the folder {str(folder)!r} holds no weights: there is neither {WEIGHTS[0]} nor "
        f"{WEIGHTS[0]}.index.json; fetch the whole folder"
    )


def _check_shards(index: Path) -> None:
    places = _object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        damaged(index, "it has no weight_map, which names the file of each weight")
    for name in sorted({str(place) for place in places.values()}):
        shard = index.parent / name
        if not shard.is_file():
            raise ModelError(
                f"{str(index)!r} names {name!r}, which is not there; fetch that file again"
            )
        held = _check_tensors(shard)
        gone = [key for key, place in places.items() if place == name and held and key not in held]
        if gone:
            damaged(shard, f"it lacks the weight {gone[0]!r}, which {index.name} says it holds")


def _check_tensors(path: Path) -> set[str]:
    """The names of the tensors in a file; none for formats that only loading can check."""
    _begin(path)
    if path.suffix != ".safetensors":
        return set()
    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        damaged(path, f"it cannot be read as safetensors ({error})")
