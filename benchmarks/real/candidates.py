"""Configurations of a method, of which teacher forcing takes the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Map
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.training.forcing import negative_log_likelihood
from langsteer.tuning.forced import Gap

SCOPES = ("all", "prompt")
LAYERS = 7
"""How many layers are tried, evenly over the depth."""
Edits = Callable[[str, str], Edit]
EVERYWHERE = Scope.parse("start[0:]")
"""All tokens, the first one too: where other packages edit."""


@dataclass(frozen=True)
class Candidate:
    """One configuration of a method."""

    label: str
    edit: Edits


def layers_of(model: Model) -> list[int]:
    """The layers that are tried."""
    return sorted({round(place * (model.depth - 2) / (LAYERS - 1)) for place in range(LAYERS)})


def edits_of(
    maps: Callable[[str, str], Mapping[int, Map]],
    *,
    restore: bool = False,
    scope: Scope = EVERYWHERE,
) -> Edits:
    """The edit of each pair, made once."""
    return cache(lambda source, target: Edit(maps(source, target), 1.0, scope, restore))


def best(model: Model, gap: Gap, candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that closes most of the gap."""
    items = [(one.prompt, one.following) for one in gap.texts]

    def cost(candidate: Candidate) -> float:
        edits = [candidate.edit(*one.pair) for one in gap.texts]
        return float(negative_log_likelihood(model, items, edits).sum())

    return min(candidates, key=cost)
