"""Steering as it is written first, kept as counter-examples: each falls into one of the traps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def hook(block: nn.Module, change: Callable[[Tensor], object]) -> Iterator[None]:
    """A hook on one block for the time of the context."""
    handle = block.register_forward_hook(lambda module, args, output: change(output))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def counting(block: nn.Module, vector: Tensor, begin: int) -> Iterator[None]:
    """Edit the positions from `begin` on; the position is known by counting the tokens that ran."""
    seen = 0

    def change(hidden: Tensor) -> Tensor:
        nonlocal seen
        column = torch.arange(seen, seen + hidden.shape[1])
        seen += hidden.shape[1]
        return hidden + vector * (column >= begin)[None, :, None]

    with hook(block, change):
        yield


class Steerer:
    """Hooks put on one after the other and taken off at the end: they belong to the model."""

    def __init__(self, blocks: Sequence[nn.Module], shifts: dict[int, Tensor]) -> None:
        self.blocks, self.shifts = blocks, shifts
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> None:
        for layer, vector in self.shifts.items():
            handle = self.blocks[layer].register_forward_hook(
                lambda module, args, output, vector=vector: output + vector
            )
            self.handles.append(handle)

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()


def restored(before: Tensor, after: Tensor) -> Tensor:
    """`after` with the norm of `before`, computed in the dtype of the model."""
    return after * before.norm(dim=-1, keepdim=True) / after.norm(dim=-1, keepdim=True)
