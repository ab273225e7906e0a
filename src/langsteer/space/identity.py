"""Which model a space belongs to: what is written down, and how a model at hand is compared.

A model is anything that has a `depth`, a `width` and, as `hf` (or `model`), a module with a
`config` and named parameters. Nothing here needs transformers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

PARAMETERS = 8
VALUES = 16
ROUNDING = 2**-7
"""Weights count as equal up to this relative step, the coarsest that loading in bfloat16 takes."""
ALIKE = 0.9
"""Least cosine of a quantised weight with the original, in the values that are compared."""
WRAPPINGS = ("module.", "_orig_mod.", "base_model.model.")
"""What wrappers (parallel, compiled, adapted models) put before the names of parameters."""


class Bound(Protocol):
    """A model with known decoder layers: `depth` of them, with hidden states of `width`."""

    @property
    def depth(self) -> int:
        """The number of layers."""

    @property
    def width(self) -> int:
        """The width of the hidden states."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model in so many words.

    `tokenizer` is a hash of the tokens whose ids are below `base_tokens`, the size of the
    vocabulary without tokens that were added (None: of all tokens). `weights` holds a few values of
    a few parameters, so that the same weights are recognised in another dtype; `shapes` the shapes
    of these parameters (empty in files of version 0.1).
    """

    name: str
    model_type: str
    width: int
    depth: int
    revision: str | None
    tokenizer: str | None
    weights: Mapping[str, list[float]]
    base_tokens: int | None = None
    shapes: Mapping[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a model at hand compares with the fitted one.

    `different`: what is otherwise, each with both values. `unseen`: parameters whose values could
    not be compared, because they are packed, elsewhere or under another name; of `parameters`.
    `rounded`: those that are equal but for quantisation.
    """

    different: list[str]
    unseen: list[str] = field(default_factory=list)
    rounded: list[str] = field(default_factory=list)
    parameters: int = 0

    @property
    def warning(self) -> str | None:
        """What could not be made sure of; None if everything could."""
        if not self.parameters and not self.different:
            return (
                "the space does not know the weights of its model, as it was imported: only the "
                "shape could be compared"
            )
        if self.unseen:
            first = f"the weights of {len(self.unseen)} of {self.parameters} parameters"
            return (
                f"{first} could not be compared with those that the space was fitted on, such as "
                f"{self.unseen[0]}: they are packed, not in memory, or under another name"
            )
        if self.rounded:
            return (
                f"the weights of {len(self.rounded)} of {self.parameters} parameters are equal to "
                "those that the space was fitted on only up to quantisation"
            )
        return None


def identify(model: Bound, tokenizer: Any = None, name: str = "") -> ModelIdentity:
    """The identity of a model at hand. Parameters that are not in memory are left out.

    `tokenizer` defaults to that of the model, if it has one.
    """
    module = module_of(model)
    config = module.config
    tokenizer = tokenizer_of(model, tokenizer)
    base = None if tokenizer is None else _base(tokenizer)
    chosen = _sampled(module)
    return ModelIdentity(
        name=name or str(getattr(config, "name_or_path", "")),
        model_type=str(config.model_type),
        width=model.width,
        depth=model.depth,
        revision=getattr(config, "_commit_hash", None),
        tokenizer=None if tokenizer is None else vocabulary_hash(tokenizer, base),
        weights={name: _values(value, value.shape) for name, value in chosen.items()},
        base_tokens=base,
        shapes={name: list(value.shape) for name, value in chosen.items()},
    )


def compare(fitted: ModelIdentity, model: Bound, tokenizer: Any = None) -> Comparison:
    """How the model at hand, with its tokenizer, compares with the fitted one."""
    module = module_of(model)
    facts = [
        ("the kind of model", fitted.model_type, str(module.config.model_type)),
        ("the width", fitted.width, model.width),
        ("the number of layers", fitted.depth, model.depth),
    ]
    found = [
        f"{what} is {there} in the space, {here} here"
        for what, there, here in facts
        if there and there != here  # what was imported may not know the kind of its model
    ]
    tokenizer = tokenizer_of(model, tokenizer)
    if tokenizer is not None and fitted.tokenizer is not None:
        found += _other_vocabulary(fitted.tokenizer, fitted.base_tokens, tokenizer)
    return Comparison(found) if found else _compared(fitted, module)


def differences(one: ModelIdentity, other: ModelIdentity) -> list[str]:
    """What is otherwise in two models, in words; nothing for the same one in another dtype."""
    facts = [
        ("the kind of model", one.model_type, other.model_type),
        ("the width", one.width, other.width),
        ("the number of layers", one.depth, other.depth),
        ("the vocabulary of the tokenizer", one.tokenizer, other.tokenizer),
    ]
    found = [f"{what} is {a} and {b}" for what, a, b in facts if a != b]
    for name, values in one.weights.items():
        unequal = _unequal(values, other.weights[name]) if name in other.weights else None
        if unequal is not None and not found:
            found.append(f"the weights {name} hold {unequal[0]:.4g} and {unequal[1]:.4g}")
    return found


def module_of(model: Any) -> Any:
    """The module with the weights: `model.hf`, or `model.model`."""
    return getattr(model, "hf", None) or model.model


def tokenizer_of(model: Any, tokenizer: Any = None) -> Any:
    """The tokenizer itself if one is given, else that of the model, else None."""
    return getattr(model, "tokenizer", None) if tokenizer is None else tokenizer


def vocabulary_hash(tokenizer: Any, base: int | None = None) -> str:
    """SHA-256 over the tokens with ids below `base` (None: all tokens) with their ids."""
    rows = [row for row in _vocabulary(tokenizer) if base is None or row[1] < base]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _vocabulary(tokenizer: Any) -> list[tuple[str, int]]:
    return sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))


def _base(tokenizer: Any) -> int | None:
    """The number of tokens without those that were added, where the tokenizer says so."""
    size = getattr(tokenizer, "vocab_size", None)
    return size if isinstance(size, int) and size > 0 else None


def _other_vocabulary(fitted: str, base: int | None, tokenizer: Any) -> list[str]:
    """What is otherwise in the vocabulary; tokens added after all others make no difference."""
    if base is not None:
        here = vocabulary_hash(tokenizer, base)
        same = here == fitted
    else:
        hashes = list(_hashes(_vocabulary(tokenizer), _base(tokenizer) or 0))
        here, same = hashes[-1] if hashes else "", fitted in hashes
    if same:
        return []
    return [
        f"the vocabulary of the tokenizer has the hash {fitted[:12]} in the space, {here[:12]} here"
    ]


def _hashes(vocabulary: Sequence[tuple[str, int]], least: int) -> Iterator[str]:
    """The hashes of the first n tokens, for each n from `least` on: `vocabulary_hash` of a
    tokenizer before the others were added."""
    running = hashlib.sha256(b"[")
    for number, row in enumerate(vocabulary, start=1):
        running.update((", " if number > 1 else "").encode() + json.dumps(row).encode())
        if number >= least:
            done = running.copy()
            done.update(b"]")
            yield done.hexdigest()


def _compared(fitted: ModelIdentity, module: Any) -> Comparison:
    """Compare the values of the weights; the first that differs is named."""
    here = _Weights.of(module)
    unseen, rounded = [], []
    for name, values in fitted.weights.items():
        value = here.find(name)
        shape = None if value is None else here.shape(value, fitted.shapes.get(name), values)
        if value is None or shape is None:
            unseen.append(name)
            continue
        if not here.fits(value, shape):
            have, had = list(value.shape), list(shape)
            said = f"the weights {name} have the shape {had} in the space, {have} here"
            return Comparison([said])
        found = _values(value, shape)
        differing = _unequal(values, found)
        if differing is None:
            continue
        if not here.quantised or _cosine(values, found) < ALIKE:
            a, b = differing
            said = f"the weights {name} hold the value {a:.4g} in the space, {b:.4g} here"
            return Comparison([said])
        rounded.append(name)
    return Comparison([], unseen, rounded, len(fitted.weights))


@dataclass(frozen=True, slots=True)
class _Weights:
    """The parameters of a model by their plain names; which are `embeddings`, with one row for each
    token; whether the model says that its weights were `quantised`."""

    parameters: Mapping[str, Tensor]
    embeddings: Sequence[Tensor]
    quantised: bool

    @classmethod
    def of(cls, module: Any) -> _Weights:
        """Those of a module."""
        layers = [
            getattr(module, name, lambda: None)()
            for name in ("get_input_embeddings", "get_output_embeddings")
        ]
        weights = [getattr(layer, "weight", None) for layer in layers]
        config = getattr(module.config, "quantization_config", None)
        return cls(
            {_plain(name): value for name, value in module.named_parameters()},
            [weight for weight in weights if isinstance(weight, Tensor)],
            config is not None or bool(getattr(module, "is_quantized", False)),
        )

    def find(self, name: str) -> Tensor | None:
        """The parameter with that name, if its values can be read."""
        value = self.parameters.get(_plain(name))
        return value if value is not None and _usable(value) else None

    def shape(
        self, value: Tensor, shape: Sequence[int] | None, values: Sequence[float]
    ) -> Sequence[int] | None:
        """The shape that the fitted parameter had; None where it is not known.

        Files of version 0.1 don't say it: with other rows, an embedding cannot be aligned.
        """
        if shape is not None:
            return shape
        same = _unequal(values, _values(value, value.shape)) is None
        return value.shape if same or not self._embeds(value) else None

    def fits(self, value: Tensor, shape: Sequence[int]) -> bool:
        """Whether a parameter has that shape, but for the rows of an embedding."""
        rows = self._embeds(value) or value.shape[0] == shape[0]
        return rows and list(value.shape[1:]) == list(shape[1:])

    def _embeds(self, value: Tensor) -> bool:
        return any(value is one for one in self.embeddings)


def _unequal(there: Sequence[float], here: Sequence[float]) -> tuple[float, float] | None:
    """The first two values that differ by more than rounding; None if none do."""
    slack = 1e-3 * max(map(abs, there), default=0.0)
    for a, b in zip(there, here, strict=False):
        if not abs(a - b) <= ROUNDING * max(abs(a), abs(b)) + slack * ROUNDING:
            return a, b
    return None


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    products = sum(x * y for x, y in zip(a, b, strict=False))
    norm = math.hypot(*a[: len(b)]) * math.hypot(*b)
    return products / norm if norm > 0 else 0.0


def _sampled(module: Any) -> dict[str, Tensor]:
    """A few parameters, evenly spread over the model."""
    # Vectors are mostly gains of norms, which many models have alike; matrices tell them apart.
    usable = [
        (_plain(name), value)
        for name, value in sorted(module.named_parameters())
        if _usable(value) and value.ndim > 1
    ]
    step = max(1, math.ceil(len(usable) / PARAMETERS))
    return dict(usable[::step])


def _plain(name: str) -> str:
    """The name of a parameter without what wrappers put before it and adapters into it."""
    while wrapping := next((one for one in WRAPPINGS if name.startswith(one)), None):
        name = name.removeprefix(wrapping)
    return name.replace("._orig_mod.", ".").replace(".base_layer.", ".")


def _usable(value: Tensor) -> bool:
    in_memory = value.device.type != "meta" and value.numel() > 0
    return in_memory and value.is_floating_point() and value.element_size() >= 2


def _values(value: Tensor, shape: Sequence[int]) -> list[float]:
    """Values evenly spread over a parameter that had `shape`, as far as they are there."""
    # Of a weight that is divided over processes all parts are needed; each process asks for them.
    whole: Tensor = getattr(value, "full_tensor", lambda: value)()
    flat = whole.detach().reshape(-1)
    count = min(VALUES, math.prod(shape))
    places = [i * (math.prod(shape) - 1) // max(count - 1, 1) for i in range(count)]
    there = [place for place in places if place < len(flat)]
    chosen = flat[torch.tensor(there, device=flat.device)].float().cpu()
    return [float(f"{number:.6g}") for number in chosen.tolist()]
