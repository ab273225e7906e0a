"""Shifts for several layers at once: each adds only what has not yet arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import permutations
from typing import cast

from langsteer.data.corpus import Corpus
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.errors import SpaceError, SteeringError
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.reading import Reading
from langsteer.fitting.turns import Turn
from langsteer.progress import bar
from langsteer.space.increments import Increments, stacked
from langsteer.space.point import layers_of
from langsteer.space.space import Space
from langsteer.statistics import Statistics
from langsteer.statistics.pooling import Pooling
from langsteer.text.tags import choose


def fit_increments(
    model: Model,
    corpus: Corpus,
    layers: Iterable[int],
    source: str,
    target: str,
    *,
    options: Reading | None = None,
    scope: str = "all",
    statistics: Statistics | None = None,
) -> dict[int, Shift]:
    """Shifts at `layers` that together carry the source's mean to the target's at each of them.

    The difference of means at a layer counts what a shift at an earlier layer already sends down
    to it. So the shifts are fitted from the first layer to the last: at each, the source's texts
    run with the shifts found so far in force, and the increment is what their mean still lacks.
    The increments belong together, to strength 1 and to this scope. One pass over the texts of
    both languages, and one over the source's for each further layer.

    Args:
        model: the model.
        corpus: texts in both languages; others are left aside.
        layers: layer indices, 0-based.
        source: the language to steer away from.
        target: the language to steer to.
        options: how texts are read, as in `collect`; its layers are left aside.
        statistics: those of the unsteered texts at these layers, if they are at hand; not used
            with pooling `matched`.
        scope: the positions of a text that are steered while fitting: those of the later edit.

    Raises:
        SteeringError: no layers, or the two languages are one.
        LanguageError: a language is not in the corpus.
        CorpusError, ModelError, LatentError: as `collect`.
    """
    order = sorted(set(layers))
    origin, goal = choose(source, corpus.languages), choose(target, corpus.languages)
    if not order or origin == goal:
        raise SteeringError(
            f"increments need at least one layer and two languages, not layers {order} "
            f"from {origin} to {goal}"
        )
    reading = options or Reading()
    table = None
    if reading.pooling == "matched":
        both = corpus.select((origin, goal))
        table = token_table(model, both, reading)

    def read(language: str, layers: Sequence[int]) -> Statistics:
        texts = corpus.select((language,))
        return collect(model, texts, replace(reading, layers=layers), table=table, alone=True)

    if statistics is None or table is not None:
        there = read(goal, order)
        plain = there.merge(read(origin, order))
    else:
        there = plain = statistics
    found: dict[int, Shift] = {}
    for layer in order:
        if found:
            with steering(model.stream, Edit(dict(found), scope=Scope.parse(scope))):
                # Up to this layer alone: those above it cost time and say nothing yet.
                moved = read(origin, order if table is not None else [layer])
            plain = there.merge(moved) if table is not None else moved
        whither = plain if table is not None else there
        found[layer] = Shift((whither.mean(goal, layer) - plain.mean(origin, layer)).float())
    return found


def add_increments(
    space: Space,
    model: Model,
    corpus: Corpus,
    layers: Iterable[int],
    pairs: Iterable[tuple[str, str]] | None = None,
    *,
    scope: str | None = None,
    options: Reading | None = None,
    progress: bool = False,
) -> Space:
    """The space with increments at `layers`: the work of `Space.with_increments`."""
    places = tuple(sorted(layers_of(layers)))
    if len(places) < 2:
        raise SpaceError(f"Increments are for two or more layers; layer {places[0]} needs none.")
    reading = replace(options or _as_fitted(space), layers=places)
    here = scope or ("generated" if reading.pooling == "last" else "all")
    here = str(Scope.parse(here))
    wanted = _pairs(space, corpus, pairs)
    used = corpus.select(tuple(dict.fromkeys(language for pair in wanted for language in pair)))
    same = space.corpus.digest == corpus.digest and set(places) <= set(space.layers)
    unsteered = None
    if reading.pooling != "matched":
        unsteered = space.statistics if same else collect(model, used, reading)
    shifts = {}
    with bar("increments", len(wanted), quiet=not progress) as advance:
        for source, target in wanted:
            found = fit_increments(
                model,
                used,
                places,
                source,
                target,
                options=reading,
                scope=here,
                statistics=unsteered,
            )
            shifts[source, target] = stacked(found)
            advance(1)
    return space.joined(Increments(places, here, shifts))


def passes(languages: int, layers: int, pairs: int | None = None) -> float:
    """How many times the time of fitting it takes to fit increments (not with pooling matched)."""
    every = languages * (languages - 1) if pairs is None else pairs
    return every * (layers - 1) / languages


def _as_fitted(space: Space) -> Reading:
    """How the texts of a space were read, as far as it says so."""
    return Reading(
        pooling=cast(Pooling, space.pooling), chat=cast("Turn | None", space.corpus.chat)
    )


def _pairs(
    space: Space, corpus: Corpus, pairs: Iterable[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """The pairs by the tags of the space, each once."""
    if pairs is None:
        return list(permutations(space.languages, 2))
    named = [
        (choose(source, space.languages), choose(target, space.languages))
        for source, target in pairs
    ]
    if not named:
        raise SpaceError("No pair of languages is given. Name at least one, or None for all.")
    for language in {language for pair in named for language in pair}:
        choose(language, corpus.languages)
    return list(dict.fromkeys(named))
