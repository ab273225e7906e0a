"""Files as other tools write them, for one small model."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DEPTH, WIDTH = 4, 8


def vector(seed: int) -> Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))


def matrix(seed: int, rows: int = DEPTH) -> Tensor:
    return torch.stack([vector(100 * seed + row) for row in range(rows)])


def clas_bench(folder: Path, language: str, seed: int) -> Path:
    path = folder / f"vector.{language}.tiny"
    held = {
        "steering_vectors": matrix(seed),
        "token_counts": torch.full((DEPTH,), 9000),
        "num_tokens": 9000,
    }
    torch.save(held, path)
    return path


def recover(folder: Path, language: str, seed: int) -> Path:
    path = folder / f"{language}.npy"
    np.save(path, matrix(seed, DEPTH + 1)[:, None].numpy())
    return path


def dictionary(folder: Path) -> Path:
    torch.save({1: vector(1), 3: vector(3)}, folder / "v.pt")
    return folder / "v.pt"


def svec(folder: Path) -> Path:
    held = {
        "model_type": "llama",
        "directions": {str(layer): [vector(layer).tolist()] for layer in (1, 3)},
    }
    (folder / "v.svec").write_text(json.dumps(held))
    return folder / "v.svec"


def wire(folder: Path) -> Path:
    tensors = {
        f"layer.{layer}": {
            "shape": [WIDTH],
            "data": base64.b64encode(vector(layer).numpy().tobytes()).decode(),
        }
        for layer in (1, 3)
    }
    (folder / "v.json").write_text(
        json.dumps({"version": 1, "kind": "direction", "tensors": tensors})
    )
    return folder / "v.json"
