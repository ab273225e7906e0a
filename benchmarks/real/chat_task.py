"""The task `chat`: a question in one language, the answer in another, without an instruction."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from chatting import answers, message
from conditions import Steered
from questions import Question, questions
from relevance import relevance
from sacrebleu.metrics.chrf import CHRF
from texts import PAIRS

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Estimate, Weighting, combined_average, rate
from langsteer.text.degeneration import degenerate
from langsteer.text.detect import default_detector

NEW_TOKENS = 48
Outcome = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ChatItem:
    """A question asked in `source` whose answer is wanted in `target`, and another question."""

    source: str
    target: str
    question: Question
    other: Question


def items(split: str, count: int, seed: int = 0) -> list[ChatItem]:
    """So many items: pairs and questions in turn."""
    rng = random.Random(seed)
    mine = questions(split)
    found = []
    for number in range(count):
        source, target = PAIRS[(7 * number) % len(PAIRS)]
        question = mine[number % len(mine)]
        other = rng.choice([one for one in mine if one.kind != question.kind])
        found.append(ChatItem(source, target, question, other))
    return found


def corpus(split: str) -> Corpus:
    """The questions of a split, aligned."""
    return Corpus(
        tuple(
            Text(text, language, one.concept)
            for one in questions(split)
            for language, text in one.texts.items()
        ),
        f"questions-{split}",
    )


def measure(model: Model, asked: Sequence[ChatItem], steered: Steered | None) -> list[Outcome]:
    """What a condition does on every item; None: the ceiling, asked in the target language."""
    own = _direct(model, tuple(asked))
    said = own
    if steered is not None:
        changes = [steered(one.source, one.target) for one in asked]
        texts = [one.question.texts[one.source] for one in asked]
        said = answers(model, texts, changes, NEW_TOKENS)
    relevances = _relevance(model, asked, said)
    detector = default_detector(sorted({one.target for one in asked}))
    score = CHRF()
    return [
        {
            "source": one.source,
            "target": one.target,
            "cluster": one.question.concept,
            "kind": one.question.kind,
            "answer": answer,
            "right": bool(detector.agrees(detector.detect(answer), one.target)),
            "key": one.question.right(answer, one.target),
            "known": one.question.right(direct, one.target),
            "chrf": score.sentence_score(answer, [direct]).score,
            "relevance": relevant,
            "degenerate": degenerate(answer),
        }
        for one, answer, direct, relevant in zip(asked, said, own, relevances, strict=True)
    ]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """The numbers of the task, with intervals over questions."""
    found: dict[str, Estimate] = {
        "right language": _rate(outcomes, "right"),
        "right answer": _rate([one for one in outcomes if one["known"]], "key"),
    }
    country = [one for one in outcomes if one["known"] and one["kind"] == "country"]
    if country:
        found["about a country"] = _rate(country, "key")
    for name in ("relevance", "chrf"):
        known = [one for one in outcomes if one[name] is not None]
        found[name] = combined_average(
            np.array([[one[name]] for one in known]), lambda means: means[:, 0], _weighting(known)
        )
    found["degenerate"] = _rate(outcomes, "degenerate")
    return found


def _rate(outcomes: Sequence[Outcome], name: str) -> Estimate:
    return rate([bool(one[name]) for one in outcomes], _weighting(outcomes))


def _weighting(outcomes: Sequence[Outcome]) -> Weighting:
    return Weighting.plain(len(outcomes), [one["cluster"] for one in outcomes])


@lru_cache(maxsize=2)
def _direct(model: Model, asked: tuple[ChatItem, ...]) -> list[str]:
    """What the model says when it is asked in the target language."""
    said = [one.question.texts[one.target] for one in asked]
    return answers(model, said, [None] * len(said), NEW_TOKENS)


def _relevance(model: Model, asked: Sequence[ChatItem], said: Sequence[str]) -> list[float | None]:
    def prompts(number: int) -> tuple[Sequence[int], Sequence[int]]:
        one = asked[number]
        return tuple(message(model, each.texts[one.target]) for each in (one.question, one.other))

    return relevance(model, said, prompts)
