"""Activations that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError

FLAG, HOW = "gradient_checkpointing", "_gradient_checkpointing_func"


@contextmanager
def recomputing(model: Model) -> Iterator[None]:
    """Let each layer keep its input alone (Chen et al., 2016, arXiv:1604.06174).

    transformers' own layers do that in training mode only. Here the layers alone are in it, not
    what is in them, so that dropout stays off. Edits must be in force during the backward pass,
    too.

    Raises:
        LangsteerError: the model's layers cannot do it.
    """
    able = [module for module in model.hf.modules() if hasattr(module, FLAG) and _layer(module)]
    if not able:
        raise LangsteerError(
            f"the layers of {model.name} cannot be computed again in the backward pass; train "
            "without checkpointing, with a smaller batch"
        )
    before = [(module, module.training, getattr(module, FLAG)) for module in able]
    for module in able:
        module.training = True
        setattr(module, FLAG, True)
        setattr(module, HOW, partial(checkpoint, use_reentrant=False))
    try:
        yield
    finally:
        for module, training, flag in before:
            module.training = training
            setattr(module, FLAG, flag)
            delattr(module, HOW)


def _layer(module: nn.Module) -> bool:
    """Whether this is one of transformers' layers that can do it by themselves."""
    return any(one.__name__ == "GradientCheckpointingLayer" for one in type(module).__mro__)
