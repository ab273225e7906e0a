"""Does an answer stay in the language of the user's message? With keep-language and without.

    python benchmarks/keeping.py MODEL --corpus FOLDER

A chat model is sent sentences in ten languages, held-out ones of the corpus, as messages without
any request. Counted are answers in the language of the message, as far as the detector can tell,
with 95 % intervals (Wilson, 1927), without an edit and with that of `serve --keep-language`: the
target less the mean of all languages, only while the guard reads another language. The space is
fitted on other sentences, in the chat template, at 60 % of the depth unless a layer is given.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from langsteer.data.corpus import Corpus, read_corpus
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.serving.steering import KEEPING
from langsteer.space.space import OperatingPoint
from langsteer.text.detect import default_detector

LANGUAGES = ["ar", "de", "en", "es", "fr", "hi", "ja", "pt", "ru", "zh"]


def parts(path: str, fitted: int, asked: int) -> tuple[Corpus, list[tuple[str, str]]]:
    """Texts to fit on, and others to ask: (text, language)."""
    corpus = read_corpus(path).select(LANGUAGES)
    texts, prompts = [], []
    seen: dict[str, int] = dict.fromkeys(LANGUAGES, 0)
    for text in corpus.texts:
        number = seen[text.language]
        seen[text.language] += 1
        if number < fitted:
            texts.append(text)
        elif fitted + 200 <= number < fitted + 200 + asked:
            prompts.append((text.text, text.language))
    return Corpus(tuple(texts), "fit"), prompts


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, in percent."""
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return 100 * (middle - half), 100 * (middle + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--fitted", type=int, default=100)
    parser.add_argument("--asked", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--layer", type=int)
    parser.add_argument("--strength", type=float, default=1.0)
    options = parser.parse_args()
    model = Model.from_pretrained(options.model)
    corpus, prompts = parts(options.corpus, options.fitted, options.asked)
    space = fit(model, corpus, Reading(chat="assistant"))
    point = space.default_point()
    layers = point.layers if options.layer is None else (options.layer,)
    point = replace(point, layers=layers, strength=options.strength, estimator=KEEPING)
    detector = default_detector(LANGUAGES)
    edits = {
        language: space.edit(None, language, point=_generated(point), guard=True)
        for language in LANGUAGES
    }
    for name, given in (
        ("without", None),
        ("with keep-language", [edits[language] for _, language in prompts]),
    ):
        answers = model.generate(
            [text for text, _ in prompts], given, Generation(options.tokens), chat=ChatOptions()
        )
        found = [one.language for one in detector.detect_many(answers)]
        right = [one == language for one, (_, language) in zip(found, prompts, strict=True)]
        missed: dict[str, int] = {}
        for one, (_, language) in zip(right, prompts, strict=True):
            missed[language] = missed.get(language, 0) + (not one)
        low, high = interval(sum(right), len(right))
        share = 100 * sum(right) / len(right)
        print(f"{name}: {share:.1f} % [{low:.0f}-{high:.0f}] of {len(prompts)}; missed: {missed}")
    for language, edit in edits.items():
        stats = edit.guard.stats if edit.guard is not None else None
        if stats is not None and stats.selected:
            print(f"  {language}: edited {100 * stats.acted / stats.selected:.0f} % of positions")


def _generated(point: OperatingPoint) -> OperatingPoint:
    return replace(point, scope="generated")


if __name__ == "__main__":
    main()
