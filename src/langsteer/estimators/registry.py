"""The estimators by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib import import_module

from langsteer.edits.maps import Map
from langsteer.errors import SteeringError
from langsteer.estimators.base import Estimator, Problem
from langsteer.statistics import Keep, Statistics
from langsteer.statistics.pooling import OF_TOKENS
from langsteer.statistics.scatter import Observation, SecondMoments

MODULES = (
    "mean",
    "centred",
    "difference",
    "effects",
    "erasure",
    "transport",
    "regression",
    "shrunken",
    "robust",
    "directions",
    "random_",
)
"""The files of this folder whose estimators are listed, in this order: a new one is one line."""


def _listed() -> Iterator[Estimator]:
    for name in MODULES:
        found = vars(import_module(f"langsteer.estimators.{name}")).values()
        yield from (one for one in found if isinstance(one, Estimator))


ESTIMATORS: dict[str, Estimator] = {one.name: one for one in _listed()}
SAMPLE = 256


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


def keep_for(
    names: Iterable[str],
    *,
    layers: tuple[int, ...] | None = None,
    sample: int = SAMPLE,
    pooling: str = "text",
) -> Keep:
    """What statistics must keep for these estimators to work at `layers` (None: all).

    Where tokens are pooled (`pooling` 'tokens' or 'matched'), second moments are those of single
    tokens: these are what the edit will meet.
    """
    wanted = [find(name)[0] for name in names]
    modes: tuple[SecondMoments, ...] = ("none", "pooled", "language")
    mode = modes[max((modes.index(one.second_moments) for one in wanted), default=0)]
    size = sample if any(one.sample for one in wanted) else 0
    observation: Observation = "tokens" if pooling in OF_TOKENS else "texts"
    return Keep(second_moments=mode, sample=size, layers=layers, observation=observation)
