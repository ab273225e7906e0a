"""What a file of torch holds, read without running anything that is in it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from langsteer.errors import SpaceError

BEGINS = b"PK\x03\x04"


def load_torch(path: Path) -> Any:
    """Tensors, and dictionaries, lists and plain values of them, mapped from the file.

    Raises:
        SpaceError: it is damaged, or holds anything else, such as an object of another package.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    # Whatever a hostile file makes torch raise is its own fault: nothing of it has been run.
    except Exception as error:
        said = str(error)
        if "weights_only" in said or "Unsupported global" in said:
            raise SpaceError(
                "it holds Python objects beside tensors, which would have to be run to be read. "
                "Save the tensors alone: torch.save({layer: vector}, FILE)"
            ) from error
        raise SpaceError("it is damaged, or no file of torch") from error
