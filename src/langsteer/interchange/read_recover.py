"""The arrays of ReCoVeR: `LANGUAGE.npy`, means of sentences for each language.

Row 0 is the embedding, row i + 1 the output of layer i (`collect_language_vectors/collect.py`
there, `hidden_states` of transformers). The last row is what the final norm makes of the last
layer, and no hidden state of the stream: it is left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from langsteer.errors import SpaceError
from langsteer.interchange.importer import Found, Importer, LayerNumbers, rows

KINDS = ("float16", "float32", "float64")


def read(path: Path, numbers: LayerNumbers) -> Found | None:
    """The mean of one language at every layer but the last."""
    try:
        # Mapped, so that a header cannot ask for more memory than the file has bytes.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    # Headers of foreign files fail in many ways; nothing of them is run.
    except Exception as error:
        raise SpaceError("it is damaged, or holds Python objects, which are not loaded") from error
    if array.dtype.name not in KINDS:
        raise SpaceError(f"it holds {array.dtype} and no plain floating-point numbers")
    if array.ndim not in (2, 3) or array.nbytes > path.stat().st_size:
        raise SpaceError(f"it has the shape {array.shape}, and [layers + 1, 1, d] is needed")
    every = rows(torch.from_numpy(np.array(array)), "the array")
    if len(every) < 3:
        raise SpaceError(f"it has {len(every)} rows; needed are the embedding and all layers")
    depth = len(every) - 1
    return Found(
        "recover",
        "mean",
        dict(enumerate(every[1:-1])),
        f"{len(every)} rows: the embedding (left out), layers 0 to {depth - 2}, and the last "
        f"layer after the final norm (left out)",
        depth=depth,
        language=path.stem,
        pooling="text",
    )


IMPORTER = Importer("recover", "arrays of ReCoVeR, one file a language", b"\x93NUMPY", read)
