"""The table of edits in a model of vLLM, and which row each token of a step has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from langsteer.edits.scope import Scope
from langsteer.edits.table import EditTable
from langsteer.errors import ModelError, SteeringError
from langsteer.vllm.wishes import PairRows, Wish

PATHS = ("model.layers", "language_model.model.layers", "model.decoder.layers", "transformer.h")
PREFIX = "_langsteer_"


@dataclass(frozen=True)
class Scheduled:
    """The tokens of one request in a step: those from number `begin` on, `count` of them."""

    wish: Wish
    begin: int
    count: int
    prompt: Sequence[int]
    """The tokens of its prompt."""


class GraphTable:
    """Buffers on the layers that are edited, which a forward hook adds in the compiled graph.

    `tokens` is the most that one step can have. Their rows are filled before each forward; all of
    them are 0 at first, which does nothing.
    """

    def __init__(self, model: nn.Module, rows: PairRows, tokens: int, device: torch.device) -> None:
        self._edits = rows.edits
        self._here: list[nn.Module] = []
        self._scopes = [Scope(), *(edit.scope for edit in rows.edits)]
        self._bos = _bos(model)
        self._rows_here = torch.zeros(tokens, dtype=torch.int64)
        self._strengths_here = torch.zeros(tokens, dtype=torch.float32)
        self._rows = self._rows_here.to(device)
        self._strengths = self._strengths_here.to(device)
        table = EditTable.of(rows.edits)
        self._row_of = (0, *table.rows)  # pairs that do the same share a row
        layers = layers_of(model)
        missing = [at for at in table.layers if at >= len(layers)]
        if missing:
            raise SteeringError(
                f"the space edits layer {missing[0]}, and the model has {len(layers)}"
            )
        for at, one in table.layers.items():
            if one.groups:
                raise SteeringError(
                    f"a {one.groups[0].name} map at layer {at} is neither a vector nor of low "
                    "rank; tune the space for an estimator that is, such as difference"
                )
            layer = layers[at]
            if type(layer).__name__ == "PPMissingLayer":  # it runs in another process
                continue
            self._here.append(layer)
            held = {
                "shifts": one.shifts,
                "left": one.left.T.contiguous(),
                "right": one.right,
                "owner": one.owner,
            }
            for name, value in held.items():
                layer.register_buffer(PREFIX + name, value.to(device), persistent=False)
            layer.register_buffer(PREFIX + "rows", self._rows, persistent=False)
            layer.register_buffer(PREFIX + "strengths", self._strengths, persistent=False)
            layer.register_forward_hook(_low_rank if len(one.owner) else _shift)

    def fill(self, step: Sequence[Scheduled]) -> None:
        """The row and the strength of every token of a step, in the order of the batch."""
        rows, strengths = self._rows_here, self._strengths_here
        at = 0
        for one in step:
            here = slice(at, at + one.count)
            at += one.count
            chosen = self._chosen(one)
            rows[here] = torch.where(chosen, self._row_of[one.wish.row], 0)
            strengths[here] = one.wish.strength
        rows[at:] = 0
        self._copy()

    def telling(self) -> int | None:
        """The number of an edit that changes something at a layer of this process; None if none."""
        for number, edit in enumerate(self._edits, start=1):
            if edit.strength and any(self._changes(at, self._row_of[number]) for at in self._here):
                return number
        return None

    def fill_all(self, number: int) -> None:
        """Every token has the edit of this number, from 1 on, at its own strength; 0 for none."""
        self._rows_here.fill_(self._row_of[number])
        self._strengths_here.fill_(self._edits[number - 1].strength if number else 0.0)
        self._copy()

    def _changes(self, layer: nn.Module, row: int) -> bool:
        own = layer.get_buffer(PREFIX + "owner") == row
        return bool(layer.get_buffer(PREFIX + "shifts")[row].any() or own.any())

    def _copy(self) -> None:
        if self._rows is not self._rows_here:
            self._rows.copy_(self._rows_here, non_blocking=True)
            self._strengths.copy_(self._strengths_here, non_blocking=True)

    def _chosen(self, one: Scheduled) -> Tensor:
        """Which tokens of a request its scope selects [count]."""
        if not one.wish.row:
            return torch.zeros(one.count, dtype=torch.bool)
        scope = self._scopes[one.wish.row]
        position = torch.arange(one.begin, one.begin + one.count)
        first = one.prompt[0] if len(one.prompt) else -1
        ids = torch.where(position == 0, first, -1)
        return scope.selects(position, torch.tensor(len(one.prompt)), ids, self._bos)


def layers_of(model: nn.Module) -> Sequence[nn.Module]:
    """The decoder layers of a model of vLLM. ModelError if they are not where they usually are."""
    for path in PATHS:
        try:
            found = model.get_submodule(path)
        except AttributeError:
            continue
        return list(cast(nn.ModuleList, found))
    raise ModelError(f"the decoder layers of {type(model).__name__} are not known to langsteer")


def _bos(model: nn.Module) -> frozenset[int]:
    given = getattr(getattr(model, "config", None), "bos_token_id", None)
    several = given if isinstance(given, list | tuple) else [given]
    return frozenset(token for token in several if isinstance(token, int))


def _shift(layer: Any, _: Any, output: Any) -> Any:
    """Add the vectors of the rows, in the graph."""
    stream = _stream(output)
    count = stream.shape[0]
    strength = layer._langsteer_strengths[:count, None]
    change = strength * layer._langsteer_shifts[layer._langsteer_rows[:count]]
    return _added(output, change)


def _low_rank(layer: Any, _: Any, output: Any) -> Any:
    """Add vectors and low-rank changes: two products for all rows, each with its own columns."""
    stream = _stream(output).float()
    count = stream.shape[0]
    rows = layer._langsteer_rows[:count]
    own = (layer._langsteer_owner[None] == rows[:, None]).to(stream.dtype)
    thin = (stream @ layer._langsteer_right) * own
    change = thin @ layer._langsteer_left + layer._langsteer_shifts[rows]
    return _added(output, layer._langsteer_strengths[:count, None] * change)


def _stream(output: Any) -> Tensor:
    """The residual stream [tokens, d]: layers of vLLM return a branch and what it is added to."""
    if isinstance(output, tuple):
        return cast(Tensor, output[0] + output[1])
    return cast(Tensor, output)


def _added(output: Any, change: Tensor) -> Any:
    """The output with a change [tokens, d] in float32, rounded once."""
    if isinstance(output, tuple):
        residual = output[1]
        return (output[0], (residual.float() + change).to(residual.dtype), *output[2:])
    return (output.float() + change).to(output.dtype)
