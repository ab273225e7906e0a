"""Messages to a chat model, under a change or as they are."""

from __future__ import annotations

from collections.abc import Sequence

from conditions import Change

from langsteer.engines.transformers.chat import ChatOptions, render
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model

CHAT = ChatOptions(enabled=True)


def message(model: Model, text: str) -> tuple[int, ...]:
    """The tokens of a message, unchanged."""
    return render(model.tokenizer, text, CHAT).ids


def answers(
    model: Model, texts: Sequence[str], changes: Sequence[Change | None], new_tokens: int
) -> list[str]:
    """What the model says to each message under its change."""
    found = [change or Change() for change in changes]
    prompts = [
        render(
            model.tokenizer, change.prompt(text), ChatOptions(enabled=True, system=change.system)
        )
        for text, change in zip(texts, found, strict=True)
    ]
    edits = [change.edit for change in found]
    return model.generate(prompts, edits, Generation(max_new_tokens=new_tokens))
