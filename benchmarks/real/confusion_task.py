"""The task `confusion`: asked in one language about a text in English or Chinese.

The answer is wanted in the language of the question; chat models drift to that of the text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from chatting import answers, message
from conditions import Steered
from relevance import relevance
from texts import LANGUAGES, News, Passage

from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Estimate, Weighting, combined_average, rate
from langsteer.text.degeneration import degenerate
from langsteer.text.detect import default_detector

NEW_TOKENS = 40
DRIFTS = ("en", "zh")
ASKED = {
    "en": "What is this text about?",
    "de": "Worum geht es in diesem Text?",
    "fr": "De quoi parle ce texte ?",
    "es": "¿De qué trata este texto?",
    "ru": "О чём этот текст?",
    "zh": "这段文字讲的是什么？",
    "ja": "この文章は何について書かれていますか。",
    "ar": "عمّ يتحدث هذا النص؟",
    "hi": "यह पाठ किस बारे में है?",
    "pt": "De que trata este texto?",
    "tr": "Bu metin ne hakkında?",
    "vi": "Đoạn văn này nói về điều gì?",
}
Outcome = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ConfusionItem:
    """A passage in `source`, asked about in `target`, and a passage of another document."""

    source: str
    target: str
    passage: Passage
    other: Passage

    def question(self, text: str) -> str:
        """The question, and a text after it."""
        return f"{ASKED[self.target]}\n\n{text}"


def items(news: News, count: int, seed: int = 0) -> list[ConfusionItem]:
    """So many items: languages and drifts in turn."""
    rng = random.Random(seed)
    passages = news.passages("test")
    rng.shuffle(passages)
    targets = [language for language in LANGUAGES if language not in DRIFTS]
    found = []
    for number in range(count):
        mine = passages[number % len(passages)]
        other = rng.choice([one for one in passages if one.document != mine.document])
        drift = DRIFTS[number // len(targets) % len(DRIFTS)]
        found.append(ConfusionItem(drift, targets[number % len(targets)], mine, other))
    return found


def measure(model: Model, asked: Sequence[ConfusionItem], steered: Steered | None) -> list[Outcome]:
    """What a condition does on every item; None: the ceiling, with the text in the language."""
    texts = [
        one.question(one.passage.text[one.target if steered is None else one.source])
        for one in asked
    ]
    changes = [None if steered is None else steered(one.source, one.target) for one in asked]
    said = answers(model, texts, changes, NEW_TOKENS)
    relevances = _relevance(model, asked, said)
    detector = default_detector(LANGUAGES)
    return [
        {
            "source": one.source,
            "target": one.target,
            "cluster": one.passage.document,
            "answer": answer,
            "right": bool(detector.agrees(detector.detect(answer), one.target)),
            "drifted": bool(detector.agrees(detector.detect(answer), one.source)),
            "relevance": relevant,
            "degenerate": degenerate(answer),
        }
        for one, answer, relevant in zip(asked, said, relevances, strict=True)
    ]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """The numbers of the task, with intervals over documents."""
    weighting = Weighting.plain(len(outcomes), [one["cluster"] for one in outcomes])
    said = [one for one in outcomes if one["relevance"] is not None]
    relevant = Weighting.plain(len(said), [one["cluster"] for one in said])
    return {
        "right language": rate([one["right"] for one in outcomes], weighting),
        "in the text's language": rate([one["drifted"] for one in outcomes], weighting),
        "relevance": combined_average(
            np.array([[one["relevance"]] for one in said]), lambda means: means[:, 0], relevant
        ),
        "degenerate": rate([one["degenerate"] for one in outcomes], weighting),
    }


def _relevance(
    model: Model, asked: Sequence[ConfusionItem], said: Sequence[str]
) -> list[float | None]:
    def prompts(number: int) -> tuple[Sequence[int], Sequence[int]]:
        one = asked[number]
        both = (one.passage.text[one.target], one.other.text[one.target])
        return tuple(message(model, one.question(text)) for text in both)

    return relevance(model, said, prompts)
