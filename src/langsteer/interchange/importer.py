"""What an importer is, what it is told, and what it finds in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from langsteer.data.files import spoken
from langsteer.errors import SpaceError

Kind = Literal["mean", "direction"]
"""The mean hidden state of a language, or what leads from one to another."""
MOST_LAYERS = 1024
MOST_WIDTH = 2**17
MOST_BYTES = 2**32
"""More than that no file of vectors takes."""
UNIT = 1e-3
"""How far from 1 norms may be that are meant to be 1."""


@dataclass(frozen=True)
class Found:
    """The vectors in one file: `[d]` float32 for the outputs of layers, counted from 0.

    `numbering` says how the file counts layers and what became of that; `depth` the number of
    layers of its model, None where the file does not show it; `language` whose mean it is, as far
    as the name or the content says; `tokens` how many it is the mean of, 0 if that is not known.
    """

    format: str
    kind: Kind
    vectors: Mapping[int, Tensor]
    numbering: str
    depth: int | None = None
    language: str | None = None
    tokens: int = 0
    pooling: str = "tokens"
    model_type: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.vectors:
            raise SpaceError("there is no vector in it")
        if len({len(one) for one in self.vectors.values()}) > 1:
            raise SpaceError("its vectors have several widths")

    @property
    def width(self) -> int:
        """The width of the hidden states."""
        return len(next(iter(self.vectors.values())))

    @property
    def unit_norm(self) -> bool:
        """Whether all vectors have norm 1, so that their natural size is lost."""
        norms = torch.stack([one.norm() for one in self.vectors.values()])
        return bool(((norms - 1).abs() < UNIT).all())


@dataclass(frozen=True)
class LayerNumbers:
    """How the layers of a file count: its first layer is called `base`, where that is known.

    `depth` is the number of layers of the model, where that is known: for numbers from the end.
    """

    base: int | None = None
    depth: int | None = None


@dataclass(frozen=True)
class Importer:
    """A format: its name, how its files look, and what reads them.

    `begins` are the first bytes of a file. `read` returns None for a file of another format that
    begins alike, and raises SpaceError for one of its own that is damaged.
    """

    name: str
    summary: str
    begins: bytes
    read: Callable[[Path, LayerNumbers], Found | None]


def checked(vector: Tensor, where: str) -> Tensor:
    """`[d]` float32, copied. SpaceError for another shape, another kind of numbers, or NaN."""
    shape = tuple(vector.shape)
    size = vector.numel()
    if not 0 < size <= MOST_WIDTH or len(shape) > 3 or max(shape, default=0) != size:
        raise SpaceError(f"{where} has the shape {shape}, and a vector [d] is needed")
    if not vector.is_floating_point() or vector.layout != torch.strided or vector.is_meta:
        raise SpaceError(f"{where} holds {vector.dtype} and no plain floating-point numbers")
    found = vector.detach().reshape(size).to("cpu", torch.float32, copy=True)
    if not bool(found.isfinite().all()):
        raise SpaceError(f"{where} holds numbers that are not finite")
    return found


def rows(matrix: Tensor, where: str) -> list[Tensor]:
    """The rows `[d]` float32 of `[n, d]` or `[n, 1, d]`. SpaceError as `checked`."""
    shape = tuple(matrix.shape)
    if len(shape) == 3 and shape[1] == 1:
        matrix = matrix[:, 0]
    if matrix.ndim != 2 or not 0 < matrix.shape[0] <= MOST_LAYERS or matrix.shape[1] < 2:
        raise SpaceError(f"{where} has the shape {shape}, and [layers, d] is needed")
    return [checked(row, f"row {number} of {where}") for number, row in enumerate(matrix)]


def numbered(layer: int, numbers: LayerNumbers) -> int:
    """A layer's number counted from 0.

    SpaceError for one that the model does not have, or from the end of a model of unknown depth.
    """
    if layer < 0 and numbers.depth is None:
        raise SpaceError(f"layer {layer} counts from the end; name the model with --model")
    found = layer + (numbers.depth or 0) if layer < 0 else layer - (numbers.base or 0)
    if not 0 <= found < (numbers.depth or MOST_LAYERS):
        raise SpaceError(
            f"layer {layer} is outside the model"
            + ("" if numbers.depth is None else f", which has {numbers.depth} layers")
            + ". Say how the file counts with --layer-base 0 or 1."
        )
    return found


def by_layer(named: Mapping[int, Tensor], numbers: LayerNumbers) -> dict[int, Tensor]:
    """Vectors by layers counted from 0. SpaceError as `numbered`, or for a layer that is twice."""
    found: dict[int, Tensor] = {}
    if len(named) > MOST_LAYERS:
        raise SpaceError(f"it has {len(named)} layers, more than any model")
    for layer, vector in sorted(named.items()):
        place = numbered(layer, numbers)
        if place in found:
            raise SpaceError(f"layer {place} is in it twice, as {layer} and by another number")
        found[place] = checked(vector, f"layer {layer}")
    return found


def size_of(path: Path) -> int:
    """The size of a file in bytes. SpaceError if it is none, or larger than any of vectors."""
    try:
        if not path.is_file():
            raise SpaceError(f"{spoken(path)} is no file")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise SpaceError(f"{spoken(path)!r} cannot be read: {error}") from error
    if size > MOST_BYTES:
        raise SpaceError(f"{spoken(path)} has {size} bytes, more than any file of vectors")
    return size
