"""Rows with the same prompt run as one until the first layer that is edited.

A batch of tuning holds each prompt many times, once for every target language and configuration.
Up to the output of the first edited layer these rows are the same, whatever the scope: their
keys, values and latents are computed once and then given to each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from langsteer.engines.transformers.hooks import hidden_of, with_hidden
from langsteer.engines.transformers.stream import ResidualStream

_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer)
_CLOSE = 1e-3
"""How far logits may be apart, of the greatest: batches of other sizes are rounded otherwise."""


def can_share(stream: ResidualStream, last: int) -> bool:
    """Whether the model computes the same when rows share layers: tried on a few tokens."""
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
    """Let equal rows of a prompt share the layers up to `last`, in forward passes of the layer.

    Only forward passes of the calling context are treated so: other threads run the same model as
    ever. Only a first forward pass into an empty cache is shared. Nothing may be edited before the
    output of layer `last`. Yields a list to which each forward pass that was shared adds the number
    of rows that it saved.
    """
    sharing = _Sharing(stream.model, last)
    token = _ACTIVE.set(sharing)
    try:
        with _wrapped(stream):
            yield sharing.saved
    finally:
        _ACTIVE.reset(token)


_ACTIVE: ContextVar[_Sharing | None] = ContextVar("langsteer_sharing", default=None)
_WRAPPED: WeakKeyDictionary[nn.Module, list[Any]] = WeakKeyDictionary()
"""Model → how many contexts share now, and what puts its layers back."""
_LOCK = Lock()


@contextmanager
def _wrapped(stream: ResidualStream) -> Iterator[None]:
    """Layers that ask the context how to run; put back when no context needs them any more."""
    model = stream.model
    with _LOCK:
        if model not in _WRAPPED:
            _WRAPPED[model] = [0, _wrap(stream)]
        _WRAPPED[model][0] += 1
    try:
        yield
    finally:
        with _LOCK:
            _WRAPPED[model][0] -= 1
            if not _WRAPPED[model][0]:
                _WRAPPED.pop(model)[1].close()


def _wrap(stream: ResidualStream) -> ExitStack:
    stack = ExitStack()
    handle = stream.model.register_forward_pre_hook(_enter, with_kwargs=True)
    stack.callback(handle.remove)
    for index, layer in enumerate(stream.layers):
        stack.callback(_put(layer, _asking(stream.model, index, layer.forward)))
    return stack


def _enter(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
    sharing = _ACTIVE.get()
    if sharing is not None and sharing.model is module:
        sharing.enter(module, args, kwargs)


def _asking(model: nn.Module, index: int, forward: Callable[..., Any]) -> Callable[..., Any]:
    """The forward of one layer, which is shared where the calling context says so."""

    def run(*args: Any, **kwargs: Any) -> Any:
        sharing = _ACTIVE.get()
        if sharing is None or sharing.model is not model or index > sharing.last:
            return forward(*args, **kwargs)
        return sharing.run(index, forward, args, kwargs)

    return run


def _put(layer: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Replace the forward of one module; returns what puts it back."""
    before = layer.__dict__.get("forward")
    layer.__dict__["forward"] = forward

    def back() -> None:
        del layer.__dict__["forward"]
        if before is not None:
            layer.__dict__["forward"] = before

    return back


class _Sharing:
    """What is known of the forward pass that is running in one context."""

    def __init__(self, model: nn.Module, last: int) -> None:
        self.model, self.last = model, last
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

    def run(self, index: int, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run layer `index` on one row for all that are equal."""
        if self._cache is None:
            return forward(*args, **kwargs)
        given = [self._picked(value) for value in args]
        out = forward(*given, **{name: self._picked(value) for name, value in kwargs.items()})
        return self._spread_out(out) if index == self.last else out

    def _picked(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._picked, value))
        whole = isinstance(value, Tensor) and value.ndim > 1 and len(value) == len(self._spread)
        return value[self._pick] if whole else value

    def _spread_out(self, out: Any) -> Any:
        """Give every row its latents, keys and values."""
        layers: list[Any] = [] if self._cache is None else self._cache.layers[: self.last + 1]
        if len(layers) <= self.last:
            raise TypeError("the layers do not keep their state in the cache")
        for layer in layers:
            if type(layer) not in _LAYERS or layer.keys is None:
                raise TypeError(f"{type(layer).__name__} does not hold its rows one by one")
            layer.keys, layer.values = layer.keys[self._spread], layer.values[self._spread]
        return with_hidden(out, hidden_of(out)[self._spread])
