"""The plain way to steer: one row, no padding, no cache, each position looked at by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from langsteer.edits.edit import Edit
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.stream import ResidualStream


def positions(scope: Scope, ids: list[int], prompt: int, bos: int | None) -> list[bool]:
    """Which positions of a sequence with a prompt of this length the scope means."""
    chosen = []
    for position, token in enumerate(ids):
        inside = any(
            (window.begin is None or position >= window.begin + origin)
            and (window.end is None or position < window.end + origin)
            for window in scope.windows
            for origin in [0 if window.origin == "start" else prompt]
        )
        allowed = token not in scope.excluded and (scope.tokens is None or token in scope.tokens)
        spared = scope.spare_bos and position == 0 and token == bos
        chosen.append(inside and allowed and not spared)
    return chosen


@contextmanager
def hooked(blocks: dict[int, nn.Module], edit: Edit | None, chosen: list[bool]) -> Iterator[None]:
    """Edit the chosen positions of the one row, at the layers of the edit."""
    handles = []

    def hook(layer: int):
        def change(module: nn.Module, args: object, output: object) -> object:
            hidden = output[0] if isinstance(output, tuple) else output
            rows = [
                edit.maps[layer](z, edit.strength) if yes else z
                for z, yes in zip(hidden[0], chosen, strict=True)
            ]
            new = torch.stack(rows)[None]
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return change

    for layer in edit.maps if edit is not None else ():
        handles.append(blocks[layer].register_forward_hook(hook(layer)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def logits(
    stream: ResidualStream, ids: list[int], prompt: int, edit: Edit | None, bos: int | None
) -> Tensor:
    """Logits [tokens, vocabulary] of one sequence, steered the plain way."""
    chosen = [] if edit is None else positions(edit.scope, ids, prompt, bos)
    with hooked(dict(enumerate(stream.layers)), edit, chosen):
        return stream.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
