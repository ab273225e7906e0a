"""The task `cost`: what steering costs where nothing needs to change.

A text of the target language goes on in it: steered as what it is, and as if it were of another
language. And number series, which have no language.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any

import numpy as np
from conditions import Steered
from texts import PAIRS, News, Passage

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.encoding import encode, encode_following
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Estimate, Weighting, combined_average, rate
from langsteer.training.forcing import negative_log_likelihood

NEW_TOKENS = 6
Outcome = dict[str, Any]


@dataclass(frozen=True, eq=False)
class CostItem:
    """A passage that stays in `target`, a language that it might be taken for, and a series."""

    source: str
    target: str
    passage: Passage
    first: int
    step: int

    @property
    def series(self) -> str:
        """Five numbers of a series."""
        return ", ".join(str(self.first + place * self.step) for place in range(5)) + ","

    @property
    def next(self) -> str:
        """The number that follows them."""
        return str(self.first + 5 * self.step)


def items(news: News, count: int, seed: int = 0) -> list[CostItem]:
    """So many items: the pairs in turn."""
    rng = random.Random(seed)
    passages = news.passages("test")
    rng.shuffle(passages)
    return [
        CostItem(
            *PAIRS[number % len(PAIRS)],
            passages[number % len(passages)],
            rng.randrange(1, 20),
            rng.randrange(2, 10),
        )
        for number in range(count)
    ]


def measure(model: Model, asked: Sequence[CostItem], steered: Steered | None) -> list[Outcome]:
    """What a condition does to texts that are in the target language already."""
    kept = _edits(asked, steered, lambda one: (one.target, one.target))
    taken = _edits(asked, steered, lambda one: (one.source, one.target))
    before, solved = _unsteered(model, tuple(asked))
    as_itself, as_another = (negative_log_likelihood(model, _rows(model, asked), edits)
                             for edits in (kept, taken))  # fmt: skip
    answers = _answers(model, asked, taken)
    return [
        {
            "source": one.source,
            "target": one.target,
            "cluster": one.passage.document,
            "bytes": len(one.passage.following[one.target].encode()),
            "unsteered": float(before[row]),
            "kept": float(as_itself[row]),
            "taken": float(as_another[row]),
            "series": answers[row],
            "series before": solved[row],
        }
        for row, one in enumerate(asked)
    ]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """The numbers of the task, with intervals over documents."""
    weighting = Weighting.plain(len(outcomes), [one["cluster"] for one in outcomes])
    nats = np.array(
        [[one["bytes"], one["kept"] - one["unsteered"], one["taken"] - one["unsteered"]]
         for one in outcomes]
    )  # fmt: skip
    known = [one for one in outcomes if one["series before"]]
    clusters = Weighting.plain(len(known), [one["cluster"] for one in known])
    return {
        "bits a byte, as itself": combined_average(
            nats, lambda means: means[:, 1] / means[:, 0] / log(2), weighting
        ),
        "bits a byte, taken for another": combined_average(
            nats, lambda means: means[:, 2] / means[:, 0] / log(2), weighting
        ),
        "series still right": rate([one["series"] for one in known], clusters),
    }


def _edits(asked: Sequence[CostItem], steered: Steered | None, pair: Any) -> list[Edit | None]:
    if steered is None:
        return [None] * len(asked)
    changes = [steered(*pair(one)) for one in asked]
    return [None if change is None else change.edit for change in changes]


def _rows(model: Model, asked: Sequence[CostItem]) -> list[tuple[list[int], list[int]]]:
    return [
        (
            encode(model.tokenizer, one.passage.text[one.target] + "\n"),
            encode_following(model.tokenizer, one.passage.following[one.target]),
        )
        for one in asked
    ]


@lru_cache(maxsize=2)
def _unsteered(model: Model, asked: tuple[CostItem, ...]) -> tuple[list[float], list[bool]]:
    nats = negative_log_likelihood(model, _rows(model, asked)).tolist()
    return nats, _answers(model, asked, [None] * len(asked))


def _answers(model: Model, asked: Sequence[CostItem], edits: Sequence[Edit | None]) -> list[bool]:
    options = Generation(max_new_tokens=NEW_TOKENS)
    found = model.generate([one.series for one in asked], list(edits), options)
    return [
        answer.replace(",", " ").split()[:1] == [one.next]
        for one, answer in zip(asked, found, strict=True)
    ]
