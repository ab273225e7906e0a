"""The means that CLaS-Bench publishes: `vector.LANGUAGE.MODEL`, a file of torch for each language.

`steering_vectors` [layers, d] are the means at the outputs of all layers, over `num_tokens` tokens
(`identification/diffmean.py` there). Files of its probes look alike, and are no means.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from langsteer.errors import SpaceError
from langsteer.interchange.importer import Found, Importer, LayerNumbers, rows
from langsteer.interchange.torch_file import BEGINS, load_torch


def read(path: Path, numbers: LayerNumbers) -> Found | None:
    """The mean of one language at every layer."""
    held = load_torch(path)
    if not isinstance(held, dict) or "steering_vectors" not in held:
        return None
    matrix = held["steering_vectors"]
    if not isinstance(matrix, Tensor):
        raise SpaceError("its steering_vectors are no tensor")
    if "target_language" in held or "num_tokens" not in held:
        raise SpaceError(
            "these are directions of a probe or a discriminant, each for one language and of norm "
            "1. What can be imported are the means, the files called vector.LANGUAGE.MODEL"
        )
    tokens = held["num_tokens"]
    found = dict(enumerate(rows(matrix, "steering_vectors")))
    return Found(
        "clas-bench",
        "mean",
        found,
        f"{len(found)} rows, the outputs of layers 0 to {len(found) - 1}",
        depth=len(found),
        language=_language(path),
        tokens=tokens if isinstance(tokens, int) and 0 < tokens < 2**53 else 0,
    )


def _language(path: Path) -> str | None:
    parts = path.name.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == "vector" else None


IMPORTER = Importer("clas-bench", "means of CLaS-Bench, one file a language", BEGINS, read)
