"""Many prompts through one batch that is kept full: what is over leaves, what waits enters."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedModel

from langsteer.engines.transformers.caches import empty_cache
from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.decoding import Continuation, Decoder
from langsteer.engines.transformers.penalties import Penalties

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model

_FULL = 0.75
"""New prompts enter when no more than this share of the places is taken: reading one costs a pass
of its own, however short it is."""
_CLOSE = 1e-3
"""How far logits may be apart, of the greatest: batches of other sizes are rounded otherwise."""


def write_all(
    model: Model,
    rows: Sequence[Continuation],
    ends: Sequence[int],
    tokens: int,
    on_over: Callable[[list[Continuation]], None],
) -> None:
    """Write every row to its end.

    Args:
        model: the model; see `can_decode`.
        rows: what is to be written; short ones come first.
        ends: the end tokens.
        tokens: the most rows × columns at a time, new tokens included; one row always fits.
        on_over: told the rows that have just ended.
    """
    waiting = deque(sorted(rows, key=lambda row: row.size))
    decoder = Decoder(model, ends)
    while waiting or decoder.rows:
        entering = _entering(decoder.rows, waiting, tokens)
        over = decoder.admit(entering) if entering else decoder.step()
        if over:
            on_over(over)


def _entering(
    running: Sequence[Continuation], waiting: deque[Continuation], tokens: int
) -> list[Continuation]:
    """The rows that are to enter now, taken from those that wait."""
    columns = max((row.size for row in running), default=0)
    count = len(running)
    entering = []
    for row in waiting:
        columns = max(columns, row.size)
        if count and (count + 1) * columns > tokens:
            break
        entering.append(row)
        count += 1
    if len(running) > _FULL * count:
        return []
    for _ in entering:
        waiting.popleft()
    return entering


_WORKS: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


def can_decode(model: Model) -> bool:
    """Whether rows of this model may enter and leave a batch: tried once, on a few tokens."""
    if model.hf not in _WORKS:
        known = Penalties.known(model.hf) and empty_cache(model.hf) is not None
        _WORKS[model.hf] = known and _joins(model)
    return _WORKS[model.hf]


def _joins(model: Model) -> bool:
    """Whether a row that joined another one's batch gets the logits that it gets alone."""
    prompts = [[1, 2, 3], [4, 5, 6, 7, 8]]
    prompts = [[token % model.vocabulary for token in ids] for ids in prompts]
    device = model.stream.device
    rows = [Continuation(Rendered(tuple(ids), (), ""), None, 2) for ids in prompts]
    decoder = Decoder(model, ())
    try:
        with torch.no_grad(), model.stream.hooks.editing(None):
            decoder.admit(rows[:1])
            decoder.admit(rows[1:])
            read = decoder.advance()
            for at, (row, ids) in enumerate(zip(rows, prompts, strict=True)):
                whole = torch.tensor([[*ids, row.new[0]]], device=device)
                alone = cast(Any, model.hf)(input_ids=whole, use_cache=False).logits[0, -1].float()
                near = float(alone.abs().max()) * _CLOSE
                if not torch.allclose(read[at].float(), alone, rtol=0, atol=near):
                    return False
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        return False
    return True
