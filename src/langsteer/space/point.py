"""Where and how strongly to edit: what tuning chose, with the evidence for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langsteer.edits.scope import Scope
from langsteer.errors import SpaceError


@dataclass(frozen=True, slots=True)
class PairPoint:
    """What one ordered pair of languages uses instead of the operating point of all.

    Its values are checked as those of an `OperatingPoint` are.
    """

    source: str
    target: str
    layers: tuple[int, ...]
    strength: float
    scope: str
    estimator: str
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Layers, strength, scope and estimator, with the scores and the split behind the choice.

    `layers` are different and 0-based; `strength` is finite; `scope` is kept as the text that
    `Scope.parse` reads, in its shortest form. `pairs` are the pairs of languages that were shown to
    do better elsewhere; `evidence` is what the choice rests on: the prompts, the budget, the
    configurations that were tried. Raises `SpaceError` for values that are none of this, and
    `ScopeError` for a scope that cannot be read.
    """

    layers: tuple[int, ...]
    strength: float = 1.0
    scope: str = "all"
    estimator: str = "difference"
    scores: Mapping[str, float] = field(default_factory=dict)
    split: str = ""
    pairs: tuple[PairPoint, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    def of(self, source: str, target: str) -> OperatingPoint:
        """The point for one ordered pair of languages: its own where it has one."""
        for own in self.pairs:
            if (own.source, own.target) == (source, target):
                return OperatingPoint(
                    own.layers, own.strength, own.scope, own.estimator, own.scores, self.split
                )
        return replace(self, pairs=()) if self.pairs else self


def layers_of(layers: Iterable[int]) -> tuple[int, ...]:
    """The layers themselves, if there are some, and each is there once; `SpaceError` otherwise."""
    chosen = tuple(layers)
    for layer in chosen:
        if isinstance(layer, bool) or not isinstance(layer, int) or layer < 0:
            raise SpaceError(f"{layer!r} is not a layer. Layers are whole numbers from 0.")
    if not chosen:
        raise SpaceError("No layer is given. Name at least one, counted from 0.")
    if twice := sorted({layer for layer in chosen if chosen.count(layer) > 1}):
        raise SpaceError(f"Layer {twice[0]} is named more than once in {list(chosen)}.")
    return chosen


def _check(point: OperatingPoint | PairPoint) -> None:
    """Check the values of a point and bring them to their one form."""
    strength: object = point.strength
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not number or not math.isfinite(point.strength):
        raise SpaceError(f"The strength must be a finite number, not {strength!r}.")
    names: dict[str, object] = {"scope": point.scope, "estimator": point.estimator}
    for what, value in names.items():
        if not isinstance(value, str):
            raise SpaceError(f"The {what} must be text, not {value!r}.")
    object.__setattr__(point, "layers", layers_of(point.layers))
    object.__setattr__(point, "scope", str(Scope.parse(point.scope)))
