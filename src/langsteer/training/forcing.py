"""Teacher forcing: what a model makes of a text that it is given token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from langsteer.edits.edit import Edits, per_row
from langsteer.engines.transformers.encoding import pad_token
from langsteer.engines.transformers.model import Model

Item = tuple[Sequence[int], Sequence[int]]
"""The tokens of a prompt, and of what follows it."""


@dataclass(frozen=True)
class Forced:
    """A batch of prompts, each with what follows it.

    Prompts are padded on their left and what follows on its right, so that every row's first token
    after the prompt is in the same column. `targets [rows, columns]` are the tokens that follow,
    -1 in padding.
    """

    ids: Tensor
    mask: Tensor
    prompts: tuple[int, ...]
    targets: Tensor

    @classmethod
    def of(cls, model: Model, items: Sequence[Item]) -> Forced:
        """The batch of (prompt, what follows) as tokens."""
        left = max(len(prompt) for prompt, _ in items)
        right = max(len(following) for _, following in items)
        ids = torch.full((len(items), left + right), pad_token(model.tokenizer))
        mask = torch.zeros_like(ids)
        targets = torch.full((len(items), right), -1)
        for row, (prompt, following) in enumerate(items):
            start, end = left - len(prompt), left + len(following)
            ids[row, start:end] = torch.tensor([*prompt, *following])
            mask[row, start:end] = 1
            targets[row, : len(following)] = torch.tensor(following)
        return cls(ids, mask, tuple(len(prompt) for prompt, _ in items), targets)

    @property
    def first(self) -> int:
        """The column of the first token after the prompts."""
        return self.ids.shape[1] - self.targets.shape[1]

    def prompt(self) -> dict[str, Tensor]:
        """The prompts alone, padded on their left."""
        return {
            "input_ids": self.ids[:, : self.first],
            "attention_mask": self.mask[:, : self.first],
        }

    def positions(self) -> Tensor:
        """The number of each token in its sequence, from 0 on; below 0 is padding on the left."""
        return torch.where(self.mask.bool(), self.mask.cumsum(1) - 1, -1)


class Head:
    """What turns hidden states into log-probabilities, of all tokens or of some.

    The loss over tokens that can follow in the texts at hand is nearly that over all, and costs
    a tenth where the vocabulary is large. Whether the model's own logits can be had like that is
    tried once; if not, its own head is used.
    """

    def __init__(self, model: Model, tokens: Tensor | None = None) -> None:
        self._model = model
        self._apart = _separable(model)
        self._tokens = tokens.sort().values if self._apart and tokens is not None else None

    @property
    def restricted(self) -> bool:
        """Whether only some tokens have a probability."""
        return self._tokens is not None

    def log_probabilities(self, batch: Forced) -> Tensor:
        """`[n, tokens]` float32 of each token that follows, rows one after another."""
        model, where = self._model, batch.targets >= 0
        inputs = model.stream.inputs(batch.ids, batch.mask)
        begin, end = batch.first - 1, batch.ids.shape[1] - 1
        if not self._apart:
            logits = model.hf(**inputs).logits[:, begin:end][where.to(model.stream.device)]
        else:
            # Only where something follows: the head is the dearest part of a small model.
            hidden = _decoder(model)(**inputs).last_hidden_state[:, begin:end]
            logits = _logits(model, hidden[where.to(hidden.device)], self._tokens)
        found: Tensor = logits.float().log_softmax(-1)
        return found

    def places(self, batch: Forced) -> Tensor:
        """`[n]`: where each token that follows is among the tokens."""
        found = batch.targets[batch.targets >= 0]
        return found if self._tokens is None else torch.searchsorted(self._tokens, found)


def negative_log_likelihood(
    model: Model, items: Sequence[Item], edits: Edits = None, *, rows: int = 16
) -> Tensor:
    """`[items]` float64: nats of all that follows each prompt, over the whole vocabulary.

    Items of like length share a batch of at most `rows`.

    Args:
        model: the model.
        items: prompts and what follows them, as tokens.
        edits: one edit for all items, or one (or None) for each.
        rows: how many items are in one forward pass.

    Raises:
        SteeringError: an edit does not fit the model, or there is not one for each item.
    """
    given = per_row(edits, len(items))
    found = torch.zeros(len(items), dtype=torch.float64)
    head = Head(model)
    order = sorted(range(len(items)), key=lambda i: len(items[i][0]) + len(items[i][1]))
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        batch = Forced.of(model, [items[i] for i in chosen])
        with (
            torch.no_grad(),
            model.steered([given[i] for i in chosen], prompt=batch.prompt()),
        ):
            nats = picked(head.log_probabilities(batch), head.places(batch)).double().neg().cpu()
        owner = (batch.targets >= 0).nonzero()[:, 0]
        sums = torch.zeros(len(chosen), dtype=torch.float64).index_add_(0, owner, nats)
        found[torch.tensor(chosen)] = sums
    return found


def picked(log_probabilities: Tensor, places: Tensor) -> Tensor:
    """`[n]`: of each row the entry at its place."""
    return log_probabilities.gather(1, places.to(log_probabilities.device)[:, None])[:, 0]


def _decoder(model: Model) -> Any:
    return cast(Any, model.hf).get_decoder()


def _logits(model: Model, hidden: Tensor, tokens: Tensor | None) -> Tensor:
    head = cast(Any, model.hf).get_output_embeddings()
    weight, bias = head.weight, getattr(head, "bias", None)
    if tokens is not None:
        place = tokens.to(weight.device)
        weight, bias = weight[place], None if bias is None else bias[place]
    logits = torch.nn.functional.linear(hidden, weight, bias)
    config = model.hf.config.get_text_config(decoder=True)
    cap = getattr(config, "final_logit_softcapping", None)
    scale = getattr(config, "logit_scale", None)
    logits = logits if scale is None else logits * scale
    return logits if cap is None else cap * torch.tanh(logits / cap)


@torch.no_grad()
def _separable(model: Model) -> bool:
    """Whether decoder and head, run apart for some tokens, give the logits of the model."""
    tokens = torch.arange(min(4, model.vocabulary))
    inputs = model.stream.inputs(tokens[None], torch.ones(1, len(tokens), dtype=torch.long))
    try:
        mine = _logits(model, _decoder(model)(**inputs).last_hidden_state[0], tokens)[None]
    except (AttributeError, NotImplementedError, TypeError, RuntimeError):
        return False
    own = model.hf(**inputs).logits[..., : len(tokens)]
    return mine.shape == own.shape and torch.allclose(mine, own, rtol=1e-3, atol=1e-3)
