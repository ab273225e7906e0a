"""How likely a model finds texts: the fluency of answers in the eyes of the unsteered model.

The texts are read without their prompts: after a prompt in another language the right answer would
be unlikely for its language alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from langsteer.engines.transformers.encoding import encode, pad_left
from langsteer.engines.transformers.model import Model
from langsteer.errors import SteeringError

BATCH_LOGITS = 2**27
"""Logits in one batch: half a GiB in float32, whatever the size of the vocabulary."""


@torch.inference_mode()
def log_perplexities(loaded: Model, texts: Sequence[str]) -> list[float | None]:
    """Mean negative log-probability (nats) of the tokens of each text, after the first one.

    The model is not steered. None for a text of less than two tokens, special ones included. Texts
    beyond the context of the model are cut. Identical texts are read once.
    """
    budget = BATCH_LOGITS // loaded.hf.config.get_text_config().vocab_size
    different = list(dict.fromkeys(texts))
    ids = {text: _tokens(loaded, text) for text in different}
    long = sorted((text for text in different if len(ids[text]) > 1), key=lambda one: len(ids[one]))
    found: dict[str, float] = {}
    batch: list[str] = []
    for text in long:
        if batch and (len(batch) + 1) * len(ids[text]) > budget:
            found.update(zip(batch, _batch(loaded, [ids[one] for one in batch]), strict=True))
            batch = []
        batch.append(text)
    if batch:
        found.update(zip(batch, _batch(loaded, [ids[one] for one in batch]), strict=True))
    return [found.get(text) for text in texts]


def _tokens(loaded: Model, text: str) -> list[int]:
    if not text:
        return []
    try:
        return encode(loaded.tokenizer, text)[: loaded.stream.context]
    except SteeringError:
        return []  # no token at all: nothing to be likely or not


def _batch(loaded: Model, rows: Sequence[Sequence[int]]) -> list[float]:
    batch = pad_left(rows, 0, loaded.stream.device)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    logits = loaded.hf(**loaded.stream.inputs(ids, mask)).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), ids[:, 1:], reduction="none"
    )
    judged = mask[:, :-1].bool()  # a token is judged where the one before it is real
    total = (losses.double() * judged).sum(1) / judged.sum(1)
    return [float(one) for one in total]
