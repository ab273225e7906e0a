"""The task `words`: translate a word after four examples, steered to another output language."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from conditions import Steered
from texts import LANGUAGES, PAIRS
from words import Word, is_right, prompt, shots, words

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Estimate, Weighting, rate

NEW_TOKENS = 12
Outcome = dict[str, Any]


@dataclass(frozen=True, eq=False)
class WordItem:
    """A word in the language `given`, to be translated to `source`, and steered to `target`."""

    source: str
    target: str
    given: str
    word: Word

    def prompt(self, output: str) -> str:
        """The prompt that asks for the word in this language."""
        return prompt(self.word, self.given, output, shots(self.word))


def items(split: str, count: int, seed: int = 0) -> list[WordItem]:
    """So many items, the pairs in turn; the word's own language is a third one."""
    rng = random.Random(seed)
    mine = words(split)
    found = []
    for number in range(count):
        source, target = PAIRS[number % len(PAIRS)]
        # A word that is called alike in both shows nothing.
        told = [one for one in mine if one.names[source] != one.names[target]]
        given = rng.choice([one for one in LANGUAGES if one not in (source, target)])
        found.append(WordItem(source, target, given, rng.choice(told)))
    return found


def corpus(split: str, limit: int | None = None) -> Corpus:
    """The prompts of a split that ask for every language, aligned by word and its own language.

    A prompt's language is that in which its answer is due.
    """
    asked = [(word, given) for word in words(split) for given in LANGUAGES]
    random.Random(1).shuffle(asked)
    texts = [
        Text(prompt(word, given, output, shots(word, given)), output, f"{word.concept}-{given}")
        for word, given in asked[:limit]
        for output in LANGUAGES
        if output != given
    ]
    return Corpus(tuple(texts), f"words-{split}")


def measure(model: Model, asked: Sequence[WordItem], steered: Steered | None) -> list[Outcome]:
    """What a condition does on every item that the model can do when asked; None: the ceiling."""
    known = [
        is_right(answer, one.word, one.target)
        for one, answer in zip(asked, _direct(model, tuple(asked)), strict=True)
    ]
    able = [one for one, can in zip(asked, known, strict=True) if can]
    if steered is None:
        answers = [one.word.names[one.target] for one in able]
    else:
        changes = [steered(one.source, one.target) for one in able]
        said = [
            one.prompt(one.source) if change is None else change.prompt(one.prompt(one.source))
            for one, change in zip(able, changes, strict=True)
        ]
        edits = [None if change is None else change.edit for change in changes]
        answers = model.generate(said, edits, Generation(max_new_tokens=NEW_TOKENS))
    return [
        {
            "source": one.source,
            "target": one.target,
            "cluster": one.word.concept,
            "answer": answer.partition('"')[0],
            "right": is_right(answer, one.word, one.target),
            "source word": is_right(answer, one.word, one.source),
            "english word": one.target != "en" and is_right(answer, one.word, "en"),
            "asked": len(asked),
        }
        for one, answer in zip(able, answers, strict=True)
    ]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """The shares of words, with intervals over concepts."""
    weighting = Weighting.plain(len(outcomes), [one["cluster"] for one in outcomes])
    return {
        key: rate([one[name] for one in outcomes], weighting)
        for key, name in (
            ("right word", "right"),
            ("word in the source language", "source word"),
            ("English word", "english word"),
        )
    }


@lru_cache(maxsize=2)
def _direct(model: Model, asked: tuple[WordItem, ...]) -> list[str]:
    said = [one.prompt(one.target) for one in asked]
    return model.generate(said, None, Generation(max_new_tokens=NEW_TOKENS))
