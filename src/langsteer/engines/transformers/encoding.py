"""From text to the tokens that a model is given, and to batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from langsteer.errors import SteeringError

SHOWN = 60


def encode(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens of a plain prompt that is to be continued.

    The tokenizer's special tokens are put in front unless the text has them already; those that it
    puts behind a text (`</s>`, `[SEP]`) are left out, as they would close what is to go on.

    Raises:
        SteeringError: there are no tokens.
    """
    bos = cast("str | None", tokenizer.bos_token)
    templated = bool(bos) and prompt.startswith(cast(str, bos))
    plain = _ids(tokenizer, prompt, special=False)
    ids = plain if templated else _without_end(_ids(tokenizer, prompt, special=True), plain)
    if not prompt or not ids:
        raise SteeringError("a prompt is empty; give at least one character")
    return ids


def encode_following(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text that follows another one: no special tokens, and maybe none at all."""
    return _ids(tokenizer, text, special=False)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool) -> list[int]:
    found = cast(Any, tokenizer)(text, add_special_tokens=special, verbose=False)["input_ids"]
    return cast("list[int]", found)


def _without_end(full: list[int], plain: list[int]) -> list[int]:
    """`full` up to where `plain` ends in it."""
    size = len(plain)
    for start in range(len(full) - size + 1):
        if full[start : start + size] == plain:
            return full[: start + size]
    return full


def check_prompt(ids: Sequence[int], text: str, context: int | None, vocabulary: int) -> None:
    """Raise SteeringError unless a model with this context and so many tokens can go on."""
    if context is not None and len(ids) >= context:
        raise SteeringError(
            f"a prompt has {len(ids)} tokens, but the model's context holds {context} with the "
            f"answer; shorten it: {text[:SHOWN]!r}..."
        )
    if max(ids) >= vocabulary:
        raise SteeringError(
            f"a prompt has the token {max(ids)}, but the model embeds {vocabulary} tokens: the "
            "tokenizer is not that of the model, or tokens were added to it and the embedding was "
            f"not resized. The prompt: {text[:SHOWN]!r}"
        )


def pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token to pad with; it is masked, so which one does not matter."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return token
    return 0


def pad_left(tokens: Sequence[Sequence[int]], pad: int, device: torch.device) -> dict[str, Tensor]:
    """Token lists as one batch: `input_ids` and `attention_mask` [rows, columns]."""
    width = max(len(ids) for ids in tokens)
    ids = [[pad] * (width - len(row)) + list(row) for row in tokens]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in tokens]
    return {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }
