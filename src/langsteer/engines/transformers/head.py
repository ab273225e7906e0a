"""The layer that turns hidden states into logits, and what it is given."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def output_head(model: nn.Module) -> nn.Module | None:
    """The head of a language model; None where there is none."""
    get = getattr(model, "get_output_embeddings", None)
    try:
        found = None if get is None else get()
    except (AttributeError, NotImplementedError):
        return None
    return found if isinstance(found, nn.Module) else None


def whole_rows(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Lay the hidden states out row by row, as a forward pre-hook of the head.

    transformers hands the head the last column alone, as a view with gaps. Of such a view torch on
    a CPU makes a product for each row, with a copy of the weights for each: with 16 prompts and
    262,144 tokens in bfloat16 that takes 29 s where 0.04 s are enough.
    """
    if args and isinstance(args[0], Tensor) and not args[0].is_contiguous():
        return (args[0].contiguous(), *args[1:])
    return None
