"""Files of spaces: safetensors with one JSON object under the metadata key `langsteer`.

Nothing in a file is ever executed. The header holds a checksum of the tensors (files of version 0.1
have none), so that damage on the way is found when a file is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from langsteer.data.files import write_whole
from langsteer.errors import SpaceError

MAJOR, MINOR = 1, 1
"""Files of a higher major version are refused. Those of a higher minor one are read: what they have
beyond this version is kept."""
KEY = "langsteer"
CHECKSUM = "checksum"


def write(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write the file whole or not at all, with versions and checksum in its header.

    Raises `SpaceError` when the folder cannot be written, or a tensor is not finite.
    """
    require_finite(tensors)
    local = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    whole = {
        "format_version": MAJOR,
        "format_minor": MINOR,
        **header,
        CHECKSUM: checksum(local),
    }
    # Names of files may hold bytes that are no text, which Python shows as half surrogates.
    text = json.dumps(plain(whole), ensure_ascii=False, allow_nan=False)
    metadata = {KEY: text.encode("utf-8", "backslashreplace").decode()}
    write_whole(path, to_bytes(local, metadata=metadata), SpaceError)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a file.

    Raises `SpaceError` for a file that is missing, cut short, foreign, too new or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise SpaceError(
            f"There is no file {path}. Check the path, or make a space with `langsteer fit`."
        ) from error
    except SpaceError:
        raise
    except Exception as error:  # whatever damaged bytes lead to, none of it is for the user
        raise SpaceError(
            f"{path} cannot be read as a space: {_short(error)}. It is cut short or not a "
            "safetensors file. Copy it again, or fit it again with `langsteer fit`."
        ) from error
    try:
        require_finite(tensors)
    except SpaceError as error:
        damaged(path, error)
    stored = header.get(CHECKSUM)
    if stored is not None and stored != checksum(tensors):
        damaged(path, "its tensors are not those that its checksum was made of")
    return header, tensors


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        # Bytes also of types that numpy lacks, such as bfloat16.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def require_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise `SpaceError`, naming the tensor, where a value is infinite or not a number."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all()):
            raise SpaceError(f"the tensor {name!r} holds values that are not finite")


def damaged(path: Path, reason: object) -> NoReturn:
    """Raise the error for a file that is a space, but not a whole one."""
    raise SpaceError(
        f"{path} is a langsteer space, but damaged: {_short(reason)}. Copy it again, or fit it "
        "again with `langsteer fit`."
    )


def plain(values: Any) -> Any:
    """Values for JSON: numbers that are not finite become null."""
    if isinstance(values, Mapping):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def _short(reason: object) -> str:
    lines = str(reason).strip().splitlines() or [type(reason).__name__]
    return lines[0][:200].rstrip(".")


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise SpaceError(
            f"{path} is a safetensors file, but not a langsteer space: its metadata has no key "
            f"{KEY!r}. Give a file that `langsteer fit` wrote."
        )
    try:
        header = json.loads(metadata[KEY])
        json.dumps(header, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        damaged(path, f"its header is not JSON ({_short(error)})")
    if not isinstance(header, dict):
        damaged(path, "its header is no object")
    written = header.get("format_version")
    if isinstance(written, bool) or not isinstance(written, int) or written < 1:
        damaged(path, f"its format version is {written!r}")
    if written > MAJOR:
        raise SpaceError(
            f"{path} has the format version {written}, but this langsteer reads up to version "
            f"{MAJOR}. Upgrade langsteer, or fit the space again."
        )
    return header
