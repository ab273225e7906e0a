"""The task `continuation`: go on with a document in another language.

*recovered* is the share of the gap, in what the reference continuation costs, between the prompt in
the source language and the translated prompt that the edit closes. *relevance* says how much what
the model writes has to do with the prompt: the bits that the translated prompt explains of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from conditions import Steered, reference
from relevance import relevance
from texts import Item

from langsteer.engines.transformers.encoding import encode, encode_following
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Estimate, Weighting, combined_average, rate
from langsteer.text.degeneration import degenerate
from langsteer.text.detect import default_detector
from langsteer.training.forcing import negative_log_likelihood

NEW_TOKENS = 40
Outcome = dict[str, Any]


def forced(model: Model, items: Sequence[Item], steered: Steered | None) -> list[float]:
    """Nats of each reference continuation after its prompt; None: after the translated prompt."""
    rows = []
    edits = []
    for item in items:
        asked = item.target if steered is None else item.source
        said = item.passage.text[asked] + "\n"
        change = None if steered is None else steered(item.source, item.target)
        if change is not None:
            said = change.prompt(said)
        rows.append(
            (
                encode(model.tokenizer, said),
                encode_following(model.tokenizer, item.passage.following[item.target]),
            )
        )
        edits.append(None if change is None else change.edit)
    return negative_log_likelihood(model, rows, edits).tolist()


def measure(model: Model, items: Sequence[Item], steered: Steered | None) -> list[Outcome]:
    """What a condition does on every item; None: the ceiling, the translated prompt unsteered."""
    after_source, after_target = _bounds(model, tuple(items))
    bound = steered is None or steered is reference
    after = after_target if bound else forced(model, items, steered)
    answers = _answers(model, items, steered)
    relevances = _relevance(model, items, answers)
    detector = default_detector(sorted({item.target for item in items}))
    found = []
    for row, item in enumerate(items):
        right = detector.agrees(detector.detect(answers[row]), item.target)
        found.append(
            {
                "source": item.source,
                "target": item.target,
                "cluster": item.passage.document,
                "unsteered": after_source[row],
                "steered": after[row],
                "translated": after_target[row],
                "answer": answers[row],
                "right": bool(right),
                "degenerate": degenerate(answers[row]),
                "relevance": relevances[row],
            }
        )
    return found


def summary(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """The numbers of the task, with intervals over documents."""
    weighting = Weighting.plain(len(outcomes), [one["cluster"] for one in outcomes])
    nats = np.array(
        [[one[key] for key in ("unsteered", "steered", "translated")] for one in outcomes]
    )
    said = [one for one in outcomes if one["relevance"] is not None]
    relevant = Weighting.plain(len(said), [one["cluster"] for one in said])
    return {
        "right language": rate([one["right"] for one in outcomes], weighting),
        "relevance": combined_average(
            np.array([[one["relevance"]] for one in said]), lambda means: means[:, 0], relevant
        ),
        "recovered": combined_average(
            nats, lambda means: (means[:, 0] - means[:, 1]) / (means[:, 0] - means[:, 2]), weighting
        ),
        "degenerate": rate([one["degenerate"] for one in outcomes], weighting),
    }


@lru_cache(maxsize=2)
def _bounds(model: Model, items: tuple[Item, ...]) -> tuple[list[float], list[float]]:
    """What every condition lies between: the prompts in the source, and the translated ones."""
    return forced(model, items, lambda *_: None), forced(model, items, None)


def _answers(model: Model, items: Sequence[Item], steered: Steered | None) -> list[str]:
    if steered is reference:
        return [_cut(model, item.passage.following[item.target]) for item in items]
    prompts, edits = [], []
    for item in items:
        asked = item.target if steered is None else item.source
        said = item.passage.text[asked] + "\n"
        change = None if steered is None else steered(item.source, item.target)
        prompts.append(said if change is None else change.prompt(said))
        edits.append(None if change is None else change.edit)
    options = Generation(max_new_tokens=NEW_TOKENS)
    return model.generate(prompts, edits, options)


def _cut(model: Model, text: str) -> str:
    """As much of a text as an answer may have tokens."""
    found: str = model.tokenizer.decode(encode_following(model.tokenizer, text)[:NEW_TOKENS])
    return found


def _relevance(model: Model, items: Sequence[Item], answers: Sequence[str]) -> list[float | None]:
    def prompts(number: int) -> tuple[Sequence[int], Sequence[int]]:
        item = items[number]
        both = (item.passage.text[item.target], item.other.text[item.target])
        return tuple(encode(model.tokenizer, text + "\n") for text in both)

    return relevance(model, answers, prompts)
