"""Control vectors in GGUF: those of llama.cpp, repeng and EasySteer.

`direction.N` acts at the output of layer N counted from 0 in the readers of llama.cpp and repeng;
llama.cpp counts so from 1 on, as its files cannot have layer 0. Some writers count from 1: a file
whose highest number is the number of layers does.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from langsteer.errors import SpaceError
from langsteer.interchange.gguf_reader import read_gguf
from langsteer.interchange.importer import Found, Importer, LayerNumbers, by_layer

NAME = "direction."


def read(path: Path, numbers: LayerNumbers) -> Found | None:
    """The directions of a file."""
    fields, tensors = read_gguf(path)
    named: dict[int, Tensor] = {}
    for name, array in tensors.items():
        number = name.removeprefix(NAME)
        if not name.startswith(NAME) or not number.isdecimal() or len(number) > 4:
            raise SpaceError(
                f"it holds the tensor {name[:60]!r}, so it is no file of directions: all of its "
                "tensors must be called direction.N"
            )
        named[int(number)] = torch.from_numpy(array)
    mode = fields.get("glp.mode")
    if mode not in (None, "add"):
        raise SpaceError(f"its mode is {mode!r}: it does not add its directions")
    if not named:
        raise SpaceError("there is no direction in it")
    base, why = _base(named, numbers)
    found = by_layer(named, LayerNumbers(base, numbers.depth))
    return Found(
        "gguf",
        "direction",
        found,
        f"direction.{min(named)} to direction.{max(named)}, counted from {base}: {why}",
        depth=numbers.depth,
        model_type=str(fields.get("controlvector.model_hint", ""))[:40],
    )


def _base(named: dict[int, Tensor], numbers: LayerNumbers) -> tuple[int, str]:
    """From which number the layers are counted, and how that is known."""
    if numbers.base is not None:
        return numbers.base, "as you said"
    if 0 in named:
        return 0, "there is a direction.0"
    if numbers.depth is not None and max(named) == numbers.depth:
        return 1, f"the model has {numbers.depth} layers"
    return 0, "as llama.cpp and repeng read it"


IMPORTER = Importer("gguf", "control vectors of llama.cpp, repeng and EasySteer", b"GGUF", read)
