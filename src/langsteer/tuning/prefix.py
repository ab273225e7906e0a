"""Rows with the same prompt run as one until the first block that is edited.

A batch of tuning holds each prompt many times, once for every target language and configuration.
Up to the output of the first edited block these rows are the same, whatever the scope: their
keys, values and latents are computed once and then given to each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from langsteer.engines.transformers.hooks import hidden_of, with_hidden
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.evaluation.runner import Case, Condition, Outcome, Runner
from langsteer.space.space import OperatingPoint

_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer)
_CLOSE = 1e-3
"""How far logits may be apart, of the greatest: batches of other sizes are rounded otherwise."""


class SharingRunner:
    """A runner whose rows share what they have in common, where the model allows it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._works: dict[int, bool] = {}

    @property
    def tokens(self) -> int:
        """How many tokens were generated so far."""
        return self._runner.tokens

    def steer(
        self, condition: Condition, todo: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[Outcome]:
        """Answer and judge every case at its own operating point."""
        stream = self._runner.loaded.stream
        last = min(
            min(point.of(case.source, case.target).layers)
            for case, point in zip(todo, points, strict=True)
        )
        if last not in self._works:
            self._works[last] = can_share(stream, last)
        if not self._works[last]:
            return self._runner.steer(condition, todo, points)
        with shared_prefix(stream, last):
            return self._runner.steer(condition, todo, points)


def can_share(stream: ResidualStream, last: int) -> bool:
    """Whether the model computes the same when rows share blocks: tried on a few tokens."""
    size = cast(Tensor, stream.model.get_input_embeddings().weight).shape[0]
    ids = torch.tensor([[1, 2, 3, 4, 5], [0, 0, 6, 7, 8], [1, 2, 3, 4, 5], [0, 0, 6, 7, 8]]) % size
    mask = torch.tensor([[1] * 5, [0, 0, 1, 1, 1]] * 2)
    given = {"input_ids": ids.to(stream.device), "attention_mask": mask.to(stream.device)}

    def logits() -> tuple[Tensor, Tensor]:
        cache = DynamicCache()
        first = stream.model(**given, past_key_values=cache, use_cache=True)
        longer = torch.cat([given["attention_mask"], torch.ones_like(mask[:, :1])], 1)
        following = given["input_ids"][:, :1]
        second = stream.model(
            input_ids=following, attention_mask=longer, past_key_values=cache, use_cache=True
        )
        return first.logits[:, -1].float(), second.logits[:, -1].float()

    with torch.inference_mode():
        try:
            plain = logits()
            with shared_prefix(stream, last) as shared:
                found = logits()
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
            return False
    near = [
        torch.allclose(one, other, rtol=0, atol=_CLOSE * float(one.abs().max()))
        for one, other in zip(plain, found, strict=True)
    ]
    return bool(shared) and all(near)


@contextmanager
def shared_prefix(stream: ResidualStream, last: int) -> Iterator[list[int]]:
    """Let equal rows of a prompt share the blocks up to `last`, in forward passes of the block.

    Only a first forward pass into an empty cache is treated so; every other runs as ever. Nothing
    may be edited before the output of block `last`. Yields a list to which each forward pass that
    was shared adds the number of rows that it saved.
    """
    sharing = _Sharing(last)
    with ExitStack() as stack:
        handle = stream.model.register_forward_pre_hook(sharing.enter, with_kwargs=True)
        stack.callback(handle.remove)
        for index, block in enumerate(stream.blocks[: last + 1]):
            stack.callback(_put(block, sharing.wrap(index, block.forward)))
        yield sharing.saved


def _put(block: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Replace the forward of one module; returns what puts it back."""
    before = block.__dict__.get("forward")
    block.__dict__["forward"] = forward

    def back() -> None:
        del block.__dict__["forward"]
        if before is not None:
            block.__dict__["forward"] = before

    return back


class _Sharing:
    """What is known of the forward pass that is running."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.saved: list[int] = []
        self._cache: DynamicCache | None = None
        self._pick = self._spread = torch.empty(0, dtype=torch.long)

    def enter(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Find the equal rows of a prompt."""
        self._cache = None
        ids, cache = kwargs.get("input_ids"), kwargs.get("past_key_values")
        if type(cache) is not DynamicCache or not isinstance(ids, Tensor) or cache.get_seq_length():
            return
        mask = kwargs.get("attention_mask")
        rows, columns = ids.shape
        # As many columns as rows: which of the two a dimension is could not be told.
        if rows == columns or columns < 2 or (mask is not None and mask.shape != ids.shape):
            return
        whole = ids if mask is None else torch.cat([ids, mask.to(ids.dtype)], 1)
        different, self._spread = torch.unique(whole, dim=0, return_inverse=True)
        if len(different) < rows:
            order = torch.arange(rows, device=ids.device)
            self._pick = torch.empty(len(different), dtype=torch.long, device=ids.device)
            # The last write wins: each group is stood for by one of its rows, whichever.
            self._pick[self._spread] = order
            self._cache = cache
            self.saved.append(rows - len(different))

    def wrap(self, index: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward of block `index`, on one row for all that are equal."""

        def shared(*args: Any, **kwargs: Any) -> Any:
            if self._cache is None:
                return forward(*args, **kwargs)
            given = [self._picked(value) for value in args]
            out = forward(*given, **{name: self._picked(value) for name, value in kwargs.items()})
            return self._spread_out(out) if index == self.last else out

        return shared

    def _picked(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._picked, value))
        whole = isinstance(value, Tensor) and value.ndim > 1 and len(value) == len(self._spread)
        return value[self._pick] if whole else value

    def _spread_out(self, out: Any) -> Any:
        """Give every row its latents, keys and values."""
        layers: list[Any] = [] if self._cache is None else self._cache.layers[: self.last + 1]
        if len(layers) <= self.last:
            raise TypeError("the blocks do not keep their state in the cache")
        for layer in layers:
            if type(layer) not in _LAYERS or layer.keys is None:
                raise TypeError(f"{type(layer).__name__} does not hold its rows one by one")
            layer.keys, layer.values = layer.keys[self._spread], layer.values[self._spread]
        return with_hidden(out, hidden_of(out)[self._spread])
