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

    transformers hands the head the last column alone, as a view with gaps. Of such a view, and
    weights that take no gradient, torch on a CPU makes a product for each row, with a copy of the
    weights for each: hundreds of times slower where the vocabulary is large (`benchmarks/head.py`).
    """
    if args and isinstance(args[0], Tensor) and not args[0].is_contiguous():
        return (args[0].contiguous(), *args[1:])
    return None
