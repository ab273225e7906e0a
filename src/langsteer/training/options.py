"""What is trained, on what, and for how long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from langsteer.edits.scope import Scope
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.errors import LangsteerError
from langsteer.space.trained import SHAPES, Shape

Objective = Literal["likelihood", "distillation"]
WhatFollows = Literal["next", "own", "any"]
Freedom = Literal["coordinates", "strengths"]
Precision = Literal["auto", "float32", "bfloat16"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
CONTINUATIONS: tuple[WhatFollows, ...] = get_args(WhatFollows)
FREEDOMS: tuple[Freedom, ...] = get_args(Freedom)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ACTING: tuple[Shape, ...] = ("roles", "targets")
"""Shapes with which a language's shift to itself is not zero."""
PLAIN = ChatOptions(enabled=False)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What is trained, on what, and for how long.

    Args:
        layers: the layers that get a vector, 0-based; if None, those of the space from a tenth of
            the depth up to six tenths of it.
        shape: what has a vector: see `space.trained.parts`.
        objective: `likelihood`: what follows shall be likely; `distillation`: the steered model
            shall say what the unsteered one says after the translated prompt.
        freedom: what is trained of each vector: all `coordinates`, or one number for each layer,
            the `strengths` of Δ there.
        continuation: what follows a text: the `next` text of the corpus; what the model says by
            its `own` after the text in the target language; or `any` text in the target language,
            for texts that are no translations: that teaches the language alone.
        same_language: the share of examples that ask for the language that the prompt is in: keeps
            what needs no change as it is. For vectors that act on those: `roles` and `targets`.
        separator: what stands between a text and what follows it, where texts are no messages.
        chat: whether and how texts are messages of a conversation.
        scope: which positions are edited. What was generated is in the target language already, so
            the prompt alone is the default.
        max_prompt: texts of more tokens than this are left out.
        max_continuation: tokens after which what follows is cut.
        steps: the most steps.
        batch: examples in one step.
        learning_rate: how far each coordinate moves in the first step, in units of the usual size
            of a coordinate of the differences at that layer, the median; it falls to 0. Where a
            look at the held-out texts shows no gain, the steps since the best are taken back, and
            the next ones are a third as large.
        patience: after how many looks in a row without gain to stop; there are eight in all.
        held_out: the share of texts that is kept to see when to stop.
        seed: of the order of examples.
        checkpointing: whether activations are computed again in the backward pass: takes less
            memory and a third more time (Chen et al., 2016, arXiv:1604.06174).
        precision: of matrix products: `auto` takes bfloat16 where the device is fast at it.

    Raises:
        LangsteerError: a value is none of these, or out of range.
        ScopeError: there is no such scope.
    """

    layers: Sequence[int] | None = None
    shape: Shape = "roles"
    objective: Objective = "likelihood"
    freedom: Freedom = "coordinates"
    continuation: WhatFollows = "next"
    same_language: float = 0.0
    separator: str = "\n"
    chat: ChatOptions = PLAIN
    scope: str = "prompt"
    max_prompt: int = 64
    max_continuation: int = 24
    steps: int = 100
    batch: int = 32
    learning_rate: float = 0.06
    patience: int = 3
    held_out: float = 0.1
    seed: int = 0
    checkpointing: bool = False
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        _one_of("shape", self.shape, SHAPES)
        _one_of("objective", self.objective, OBJECTIVES)
        _one_of("continuation", self.continuation, CONTINUATIONS)
        _one_of("freedom", self.freedom, FREEDOMS)
        _one_of("precision", self.precision, PRECISIONS)
        Scope.parse(self.scope)
        for name in ("max_prompt", "max_continuation", "steps", "batch", "patience"):
            if getattr(self, name) < 1:
                raise LangsteerError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.held_out < 1:
            raise LangsteerError(f"held_out must lie between 0 and 1, not be {self.held_out}")
        if not 0 <= self.same_language < 1:
            raise LangsteerError(
                f"same_language must be at least 0 and below 1, not {self.same_language}"
            )
        if self.same_language and self.shape not in ACTING:
            raise LangsteerError(
                f"with the shape {self.shape!r} a language's shift to itself is nothing or not "
                f"trained, so same_language has no effect: leave it out, or take the shape "
                f"{' or '.join(ACTING)}"
            )
        if self.continuation == "any" and self.objective == "distillation":
            raise LangsteerError(
                "distillation needs translated texts, and with the continuation 'any' there are "
                "none: take the objective 'likelihood'"
            )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise LangsteerError(f"learning_rate must be above 0, not {self.learning_rate}")


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise LangsteerError(
            f"{value!r} is none of the known values of {name}: choose {', '.join(known)}"
        )
