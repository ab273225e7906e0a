"""Rank operating points by teacher forcing: nothing is generated.

Where parallel texts are at hand, what a reference continuation costs after the prompt in the source
language says how far an edit gets: all the way, if it costs what it does after the translated
prompt. One forward pass serves for that, where an answer takes one for each of its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.space.space import OperatingPoint, Space
from langsteer.training.examples import ParallelText
from langsteer.training.forcing import negative_log_likelihood


class NoGapError(LangsteerError):
    """The translated prompts do not help, so that nothing can be ranked by what they explain."""


@dataclass(frozen=True)
class Gap:
    """What the continuations of parallel texts cost in nats, in all, without any edit.

    `unsteered`: after the prompts in the source languages; `translated`: after the translated ones.
    """

    texts: tuple[ParallelText, ...]
    unsteered: float
    translated: float

    @classmethod
    def of(cls, model: Model, texts: Sequence[ParallelText]) -> Gap:
        """The gap of a model on these texts.

        Raises:
            NoGapError: there is none.
        """
        before = negative_log_likelihood(model, [(one.prompt, one.following) for one in texts])
        ceiling = negative_log_likelihood(model, [(one.translated, one.following) for one in texts])
        found = cls(tuple(texts), float(before.sum()), float(ceiling.sum()))
        if found.unsteered <= found.translated:
            raise NoGapError(
                "the continuations cost no less after the translated prompts than after those in "
                "the source language, so nothing can be ranked by them; give texts of which one "
                "follows from the other, or rank by answers"
            )
        return found

    def recovered(self, cost: float) -> float:
        """The share of the gap that is closed where the continuations cost so many nats."""
        return (self.unsteered - cost) / (self.unsteered - self.translated)


@dataclass(frozen=True)
class ForcedTrial:
    """An operating point, and the share of the gap that it closes."""

    point: OperatingPoint
    recovered: float


def rank_by_forcing(
    model: Model, space: Space, gap: Gap, points: Sequence[OperatingPoint]
) -> list[ForcedTrial]:
    """The points with the share of the gap that each closes, the best first.

    Raises:
        SpaceError, LanguageError, SteeringError: an edit cannot be made.
    """
    items = [(one.prompt, one.following) for one in gap.texts]
    found = []
    for point in points:
        edits = [space.edit(*one.pair, point=point) for one in gap.texts]
        cost = float(negative_log_likelihood(model, items, edits).sum())
        found.append(ForcedTrial(point, gap.recovered(cost)))
    return sorted(found, key=lambda one: -one.recovered)
