"""Translations by the model itself, out of plain text, to train on."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

from prompting import IN_ENGLISH

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.text.detect import default_detector

EACH = 2
"""Languages that a text is translated to."""
MOST = 40
"""Texts of each language that are translated."""
NEW_TOKENS = 48


def back_translated(model: Model, corpus: Corpus, seed: int = 0) -> Corpus:
    """Texts of each language with the model's translations of them, each before the next text.

    Concepts name the document and the place in it. A translation that the detector does not find to
    be in its language is left out.
    """
    rng = random.Random(seed)
    wanted: list[tuple[Text, Text, str]] = []
    for language in corpus.languages:
        mine = [text for text in corpus.texts if text.language == language]
        follow = [
            (one, after) for one, after in pairwise(mine) if _document(one) == _document(after)
        ]
        for one, after in rng.sample(follow, min(MOST, len(follow))):
            others = [other for other in corpus.languages if other != language]
            wanted += [(one, after, other) for other in rng.sample(others, EACH)]
    asked = [
        f"{IN_ENGLISH[one.language]}: {one.text}\n{IN_ENGLISH[other]}:" for one, _, other in wanted
    ]
    answers = model.generate(asked, None, Generation(NEW_TOKENS), stop=["\n"] * len(asked))
    detector = default_detector(corpus.languages)
    found: list[Text] = []
    for number, ((one, after, other), answer) in enumerate(zip(wanted, answers, strict=True)):
        if detector.agrees(detector.detect(answer), other):
            before = f"{number} before"
            found += [
                replace(one, concept=before),
                Text(answer.strip(), other, before),
                replace(after, concept=f"{number} after"),
            ]
    return Corpus(tuple(found), f"{corpus.name}-back")


def _document(text: Text) -> str:
    return str(text.concept).rpartition(" ")[0]
