"""How much of an answer has to do with what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langsteer.engines.transformers.encoding import encode_following
from langsteer.engines.transformers.model import Model
from langsteer.training.forcing import negative_log_likelihood

Prompts = Callable[[int], tuple[Sequence[int], Sequence[int]]]
"""From the number of an item to the tokens of its own prompt and of another, in one language."""


def relevance(model: Model, answers: Sequence[str], prompts: Prompts) -> list[float | None]:
    """Nats a token: each answer after the other prompt less after its own; None without words."""
    own, other = [], []
    for number, answer in enumerate(answers):
        ids = encode_following(model.tokenizer, answer) or [0]
        mine, another = prompts(number)
        own.append((mine, ids))
        other.append((another, ids))
    gained = negative_log_likelihood(model, other) - negative_log_likelihood(model, own)
    return [
        float(nats) / len(ids) if answer.strip() else None
        for nats, (_, ids), answer in zip(gained, own, answers, strict=True)
    ]
