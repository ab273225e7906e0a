"""The estimators by name."""

from __future__ import annotations

import difflib

from langsteer.errors import SteeringError
from langsteer.estimators.base import Estimator, Problem
from langsteer.estimators.difference import DIFFERENCE
from langsteer.estimators.mean import MEAN
from langsteer.estimators.random_ import RANDOM
from langsteer.maps import Map
from langsteer.statistics import Statistics

ESTIMATORS: dict[str, Estimator] = {one.name: one for one in (MEAN, DIFFERENCE, RANDOM)}


def find(name: str) -> tuple[Estimator, int | None]:
    """The estimator called `name` and its rank: `'erasure:4'` is the estimator erasure at rank 4.

    Raises `SteeringError` for an unknown name (suggesting the nearest) or a bad rank.
    """
    base, colon, rank = name.partition(":")
    if base not in ESTIMATORS:
        near = difflib.get_close_matches(base, ESTIMATORS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SteeringError(
            f"There is no estimator {base!r}.{hint} There are: {', '.join(ESTIMATORS)}."
        )
    found = ESTIMATORS[base]
    if not colon:
        return found, None
    if not found.ranked or not rank.isdecimal() or int(rank) < 1:
        ranked = ", ".join(one.name for one in ESTIMATORS.values() if one.ranked) or "none"
        raise SteeringError(
            f"The estimator {name!r} is malformed: a rank is a positive whole number, and these "
            f"estimators take one: {ranked}."
        )
    return found, int(rank)


def estimate(name: str, statistics: Statistics, source: str | None, target: str, layer: int) -> Map:
    """The map of an estimator, `[d]` latents to `[d]` latents, in float32.

    `name` may carry a rank (`'erasure:4'`). The map of a language to itself is whatever the
    estimator makes of it. Raises `SteeringError` for an unknown name, `LanguageError` when a source
    is needed and missing, `SpaceError` when the statistics lack the layer or what is needed.
    """
    estimator, rank = find(name)
    return estimator.make(Problem(statistics, source, target, layer, rank))
