"""Which model a space belongs to: what is written down, and how a model at hand is compared."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from langsteer.engines.transformers.stream import ResidualStream

PARAMETERS = 8
VALUES = 16
ROUNDING = 2**-7
"""Weights count as equal up to this relative step, the coarsest that loading in bfloat16 takes."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model in so many words.

    `tokenizer` is a hash of its vocabulary; `weights` holds a few values of a few parameters, so
    that the same weights are known again in another dtype.
    """

    name: str
    model_type: str
    width: int
    depth: int
    revision: str | None
    tokenizer: str | None
    weights: Mapping[str, list[float]]


def identify(
    stream: ResidualStream, tokenizer: PreTrainedTokenizerBase | None, name: str = ""
) -> ModelIdentity:
    """The identity of a model at hand. Parameters that are not in memory are left out."""
    config = stream.model.config
    return ModelIdentity(
        name=name or str(getattr(config, "name_or_path", "")),
        model_type=str(config.model_type),
        width=stream.width,
        depth=stream.depth,
        revision=getattr(config, "_commit_hash", None),
        tokenizer=None if tokenizer is None else vocabulary_hash(tokenizer),
        weights=sample_weights(stream.model),
    )


def vocabulary_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 over all tokens with their numbers."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()


def sample_weights(model: PreTrainedModel) -> dict[str, list[float]]:
    """A few values of a few parameters, evenly spread over the model and over each parameter."""
    # Vectors are mostly gains of norms, which many models have alike; matrices tell them apart.
    usable = [
        (name, value)
        for name, value in sorted(model.named_parameters())
        if _usable(value) and value.ndim > 1
    ]
    step = max(1, math.ceil(len(usable) / PARAMETERS))
    return {name: _values(value) for name, value in usable[::step]}


def differences(
    fitted: ModelIdentity, stream: ResidualStream, tokenizer: PreTrainedTokenizerBase | None
) -> list[str]:
    """What the model at hand has otherwise than the fitted one, each with both values."""
    config = stream.model.config
    facts = [
        ("the kind of model", fitted.model_type, str(config.model_type)),
        ("the width", fitted.width, stream.width),
        ("the number of blocks", fitted.depth, stream.depth),
    ]
    found = [
        f"{what} is {there} in the space, {here} here"
        for what, there, here in facts
        if there != here
    ]
    if tokenizer is not None and fitted.tokenizer is not None:
        here = vocabulary_hash(tokenizer)
        if here != fitted.tokenizer:
            found.append(
                f"the vocabulary of the tokenizer has the hash {fitted.tokenizer[:12]} in the "
                f"space, {here[:12]} here"
            )
    return found or _other_weights(fitted.weights, stream.model)


def _other_weights(fitted: Mapping[str, list[float]], model: PreTrainedModel) -> list[str]:
    """The first parameter whose values are not the fitted ones; those not in memory are skipped."""
    here = dict(model.named_parameters())
    for name, values in fitted.items():
        if name not in here:
            return [f"the parameter {name} is in the space, but not here"]
        if not _usable(here[name]):
            continue
        found = _values(here[name])
        slack = 1e-3 * max(map(abs, values), default=0.0)
        for a, b in zip(values, found, strict=False):
            if abs(a - b) > ROUNDING * max(abs(a), abs(b)) + slack * ROUNDING:
                return [f"the weights {name} hold the value {a:.4g} in the space, {b:.4g} here"]
    return []


def _usable(value: Tensor) -> bool:
    in_memory = value.device.type != "meta" and value.numel() > 0
    return in_memory and value.is_floating_point() and value.element_size() >= 2


def _values(value: Tensor) -> list[float]:
    flat = value.detach().reshape(-1)
    count = min(VALUES, len(flat))
    places = [i * (len(flat) - 1) // max(count - 1, 1) for i in range(count)]
    chosen = flat[torch.tensor(places, device=flat.device)].float().cpu()
    return [float(f"{number:.6g}") for number in chosen.tolist()]
