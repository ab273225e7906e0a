"""What maps are trained on: a prompt in one language, and what follows it in another."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.chat import render
from langsteer.engines.transformers.encoding import encode_following
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.errors import CorpusError
from langsteer.text.detect import Detector
from langsteer.text.scripts import family_of
from langsteer.training.options import TrainingOptions

FEW = 16
"""Fewer letters than this, two or three words, say little of a language among those of a script."""
Ids = tuple[int, ...]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ParallelText:
    """Tokens of a prompt in the source language, of the same in the target's, and what follows."""

    pair: Pair
    concept: str
    prompt: Ids
    translated: Ids
    following: Ids


@dataclass(frozen=True)
class Texts:
    """Parallel texts as tokens: each once, however many pairs it is an example of.

    `prompts` and `following` are concept → language → tokens; `order` are the concepts.
    """

    order: list[str]
    prompts: Mapping[str, Mapping[str, Ids]]
    following: Mapping[str, Mapping[str, Ids]]

    @property
    def tokens(self) -> Tensor:
        """`[n]`: all tokens that follow somewhere, each once, in order."""
        every = (ids for found in self.following.values() for ids in found.values())
        return torch.tensor(sorted({token for ids in every for token in ids}))

    def example(self, concept: str, pair: Pair) -> ParallelText | None:
        """The example of a concept for a pair of languages, if it has both."""
        source, target = pair
        prompts, following = self.prompts[concept], self.following.get(concept, {})
        if source not in prompts or target not in prompts or target not in following:
            return None
        return ParallelText(pair, concept, prompts[source], prompts[target], following[target])

    def examples(
        self, concepts: Sequence[str], pairs: Sequence[Pair], most: int
    ) -> list[ParallelText]:
        """At most so many different examples, concepts and pairs each as equally often as can be.

        A few concepts are examples of many pairs.
        """
        mixed = random.Random(0).sample(pairs, len(pairs))
        found: list[ParallelText] = []
        for turn in range(len(pairs)):
            for number, concept in enumerate(concepts):
                if len(found) == most:
                    return found
                start = number * len(pairs) // len(concepts)
                one = self.example(concept, mixed[(start + turn) % len(pairs)])
                if one is not None:
                    found.append(one)
        return found

    def split(self, share: float, *, spaced: bool) -> tuple[list[str], list[str]]:
        """Concepts to train on, and those that are held out: at least one of each.

        The last ones are held out, or ones evenly `spaced` over all, which are of every kind that
        the texts are of. Where a text follows another, only the last have nothing in common with
        what is trained on.
        """
        kept = max(1, round(share * len(self.order)))
        if len(self.order) < 2:
            raise CorpusError(
                "training needs at least two texts that stand in several languages and are "
                "followed by another one; give more parallel texts"
            )
        if not spaced:
            return self.order[:-kept], self.order[-kept:]
        places = {round((one + 0.5) * len(self.order) / kept - 0.5) for one in range(kept)}
        held = [concept for place, concept in enumerate(self.order) if place in places]
        return [concept for concept in self.order if concept not in set(held)], held


def read_texts(
    model: Model,
    corpus: Corpus,
    options: TrainingOptions,
    targets: Collection[str] | None = None,
    detector: Detector | None = None,
) -> Texts:
    """The texts of an aligned corpus, and what follows each in the target languages (None: in all).

    With the continuation `own` it is what the unsteered model says after the text in that language,
    where the detector finds it to be in it. No more texts are continued than training can use.
    With `any` the texts of each language are shuffled, so that none is followed by its translation.

    Raises:
        CorpusError: no text stands in two languages, or none is followed by another.
        SteeringError: a chat template refuses a text.
    """
    by_concept: dict[str, dict[str, str]] = {}
    if options.continuation == "any":
        corpus = _shuffled(corpus, options.seed)
    for text in corpus.texts:
        if text.concept is not None:
            by_concept.setdefault(text.concept, {}).setdefault(text.language, text.text)
    prompts = {
        concept: {
            language: ids
            for language, text in texts.items()
            if len(ids := _prompt(model, text, options)) <= options.max_prompt
        }
        for concept, texts in by_concept.items()
    }
    wanted = set(corpus.languages) if targets is None else set(targets)
    if options.continuation == "own":
        most = math.ceil(options.steps * options.batch / len(wanted))
        asked = dict(list(prompts.items())[:most])
        following = _own(model, by_concept, asked, wanted, options, detector)
    else:
        following = _next(model, by_concept, options)
    order = [
        concept
        for concept, found in following.items()
        if len(prompts[concept]) > 1 and found.keys() & prompts[concept].keys()
    ]
    if not order:
        raise CorpusError(
            f"the corpus {corpus.name!r} has no text in two languages of at most "
            f"{options.max_prompt} tokens that something follows; training needs parallel texts "
            "that share concepts"
        )
    return Texts(order, prompts, following)


def _shuffled(corpus: Corpus, seed: int) -> Corpus:
    """The texts of each language in an order of their own; concepts are the places in it."""
    rng = random.Random(seed)
    found: list[Text] = []
    for language in corpus.languages:
        mine = [text for text in corpus.texts if text.language == language]
        rng.shuffle(mine)
        found += [replace(text, concept=str(place)) for place, text in enumerate(mine)]
    return Corpus(tuple(found), corpus.name)


def _asked(text: str, options: TrainingOptions) -> str:
    """A text as it is put to the model."""
    return text if options.chat.enabled else text + options.separator


def _prompt(model: Model, text: str, options: TrainingOptions) -> Ids:
    return tuple(render(model.tokenizer, _asked(text, options), options.chat).ids)


def _next(
    model: Model, texts: Mapping[str, Mapping[str, str]], options: TrainingOptions
) -> dict[str, dict[str, Ids]]:
    concepts = list(texts)
    return {
        concept: {
            language: _following(model, text, options) for language, text in texts[after].items()
        }
        for concept, after in pairwise(concepts)
    }


def _own(
    model: Model,
    texts: Mapping[str, Mapping[str, str]],
    prompts: Mapping[str, Mapping[str, Ids]],
    targets: Collection[str],
    options: TrainingOptions,
    detector: Detector | None,
) -> dict[str, dict[str, Ids]]:
    asked = [
        (concept, language)
        for concept, found in prompts.items()
        for language in found
        if language in targets
    ]
    answers = model.generate(
        [_asked(texts[concept][language], options) for concept, language in asked],
        None,
        Generation(max_new_tokens=options.max_continuation),
        chat=options.chat,
    )
    found: dict[str, dict[str, Ids]] = {}
    for (concept, language), answer in zip(asked, answers, strict=True):
        ids = _following(model, answer, options)
        if ids and (detector is None or _in_language(answer, language, detector)):
            found.setdefault(concept, {})[language] = ids
    return found


def _in_language(answer: str, language: str, detector: Detector) -> bool:
    """Whether an answer is in a language; of few letters only the script is asked for."""
    found = detector.detect(answer)
    if detector.agrees(found, language):
        return True
    few = sum(map(str.isalpha, answer)) < FEW
    return few and found.family == family_of(language)


def _following(model: Model, text: str, options: TrainingOptions) -> Ids:
    return tuple(encode_following(model.tokenizer, text)[: options.max_continuation])
