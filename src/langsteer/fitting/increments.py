"""Shifts for several layers at once: each adds only what has not yet arrived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from langsteer.data.corpus import Corpus
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.errors import SteeringError
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.reading import Reading
from langsteer.statistics import Statistics
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
    reading = replace(options or Reading(), layers=order)
    table = None
    if reading.pooling == "matched":
        both = corpus.select((origin, goal))
        table = token_table(model, both, max_length=reading.max_length)

    def read(language: str) -> Statistics:
        return collect(model, corpus.select((language,)), reading, table=table, alone=True)

    there = read(goal)
    found: dict[int, Shift] = {}
    for layer in order:
        with steering(model.stream, Edit(dict(found), scope=Scope.parse(scope))):
            plain = there.merge(read(origin))
        found[layer] = Shift((plain.mean(goal, layer) - plain.mean(origin, layer)).float())
    return found
