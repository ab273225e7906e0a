"""What a method does to one case, and the configurations that it has to choose from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from fitted import Fitted
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Map
from langsteer.edits.scope import Scope
from langsteer.evaluation.cases import Case

EVERYWHERE = Scope.parse("start[0:]")
"""All tokens, the first one too: where the packages edit."""
WITHIN = 0.02
"""How far below the best objective a configuration may be and still be chosen for its place."""
BUDGET = 16
"""The most configurations that a method may try, all on the same cases."""


@dataclass(frozen=True)
class Treatment:
    """The prompt as it is given, the edit while it is answered, and a bias ``[vocabulary]``."""

    text: str
    edit: Edit | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class Candidate:
    """One configuration of a method."""

    label: str
    treat: Callable[[Case], Treatment]


Scored = Callable[[Sequence[Candidate]], list[float]]
"""Candidates → their objective on the tuning cases."""


class Method(Protocol):
    """A way of getting the target language, with its own way of choosing a configuration."""

    name: str
    fits: bool
    """Whether it looks at the texts."""

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """The configuration that is best on the tuning cases, of at most ``BUDGET``."""
        ...


def best_of(candidates: Sequence[Candidate], scored: Scored) -> Candidate:
    """The preferred one of the candidates."""
    return candidates[preferred(scored(candidates))]


def preferred(objectives: Sequence[float]) -> int:
    """The first that is within ``WITHIN`` of the best: on few cases, less is chance."""
    least = max(objectives) - WITHIN
    return next(at for at, objective in enumerate(objectives) if objective >= least)


def edited(
    label: str,
    maps: Callable[[str, str], Mapping[int, Map]],
    strength: float = 1.0,
    scope: Scope = EVERYWHERE,
    restore_norm: bool = False,
) -> Candidate:
    """A candidate that edits: ``maps`` gives layer → map for a source and a target."""

    @cache
    def edit(source: str, target: str) -> Edit:
        return Edit(maps(source, target), strength, scope, restore_norm)

    return Candidate(
        label, lambda case: Treatment(case.prompt.text, edit(case.source, case.target))
    )
