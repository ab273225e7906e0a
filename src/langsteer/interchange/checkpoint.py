"""Read a checkpoint tensor by tensor, and write another one that differs in a few of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from langsteer.data.files import spoken
from langsteer.errors import LangsteerError, ModelError, SteeringError

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".index.json")
"""What is not copied as it is."""
_ADDED = "model-langsteer.safetensors"
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class CheckpointFiles:
    """A folder with `config.json` and weights as safetensors; `names` says in which file each is.

    `dtype` is that of the weights.
    """

    folder: Path
    config: dict[str, Any]
    names: Mapping[str, str]
    dtype: torch.dtype

    @classmethod
    def of(cls, model: str) -> CheckpointFiles:
        """The checkpoint in a folder, or that of the hub, which is downloaded.

        Raises:
            ModelError: there is none, or its weights are not safetensors.
        """
        folder = Path(model) if Path(model).is_dir() else _downloaded(model)
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            names: dict[str, str] = {}
            dtype = torch.float32
            for file in sorted(folder.glob("*.safetensors")):
                with safe_open(file, framework="pt") as tensors:
                    names |= dict.fromkeys(tensors.keys(), file.name)
                    first = next(iter(tensors.keys()), None)
                    dtype = dtype if first is None else tensors.get_tensor(first).dtype
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(f"{spoken(folder)} cannot be read as a checkpoint: {error}") from error
        if not names:
            raise ModelError(
                f"{spoken(folder)} has no weights as safetensors. Load the model with transformers "
                "and save it with save_pretrained."
            )
        return cls(folder, config, names, dtype)


@dataclass(frozen=True)
class Change:
    """How another checkpoint differs from one.

    `renamed` gives every tensor its new name, `changed` its new value, and `added` are further
    tensors, written in the dtype of the weights.
    """

    config: dict[str, Any]
    added: dict[str, Tensor] = field(default_factory=dict)
    renamed: Callable[[str], str] = lambda name: name
    changed: Callable[[str, Tensor], Tensor] = lambda _, tensor: tensor


def write_changed(source: CheckpointFiles, change: Change, out: Path) -> None:
    """Write the changed checkpoint, file by file, and copy what else is in its folder.

    Raises:
        SteeringError: `out` is there already, or cannot be written; then nothing is left behind.
    """
    with whole_folder(out) as part:
        _copy_rest(source.folder, part)
        (part / "config.json").write_text(json.dumps(change.config, indent=2), encoding="utf-8")
        where: dict[str, str] = {}
        added = {name: one.to(source.dtype).contiguous() for name, one in change.added.items()}
        files = sorted(set(source.names.values()))
        for file in files:
            tensors = {
                change.renamed(name): change.changed(name, tensor).contiguous()
                for name, tensor in load_file(source.folder / file).items()
            }
            if len(files) == 1:  # one file has no index: all must be in it
                tensors |= added
            _save(tensors, part / file, where)
        if len(files) > 1:
            if added:
                _save(added, part / _ADDED, where)
            index = {"metadata": {}, "weight_map": where}
            (part / _INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when all is written.

    Raises:
        SteeringError: `out` is there already, or cannot be written; then nothing is left behind.
    """
    require_free(out)
    part = out.with_name(f".{out.name}.{uuid4().hex[:8]}.part")
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(out)
    except OSError as error:
        raise SteeringError(
            f"{spoken(out)} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def require_free(out: Path) -> None:
    """Raise SteeringError if there is anything at `out`."""
    if out.exists() or out.is_symlink():
        raise SteeringError(
            f"{spoken(out)} is there already. Give the name of a folder that is not, or remove it."
        )


def _save(tensors: dict[str, Tensor], path: Path, where: dict[str, str]) -> None:
    save_file(tensors, path, metadata={"format": "pt"})
    where |= dict.fromkeys(tensors, path.name)


def _copy_rest(source: Path, out: Path) -> None:
    for file in source.iterdir():
        if file.is_file() and not file.name.endswith(_WEIGHTS) and file.name != "config.json":
            shutil.copy(file, out / file.name)


def _downloaded(model: str) -> Path:
    try:
        return Path(snapshot_download(model, ignore_patterns=["*.bin", "*.pth", "*.gguf", "*.h5"]))
    except (OSError, ValueError, LangsteerError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"there is no folder {model!r}, and the hub does not give a model of that name: {first}"
        ) from error
