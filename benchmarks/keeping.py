"""Does an answer stay in the language of the user's message? With keep-language and without.

    python benchmarks/keeping.py MODEL --corpus FOLDER

A conversation with a chat model has been in English or Chinese for two turns, and then the user
asks in one of ten languages. Counted are answers in the language of the question, as far as the
detector can tell, with 95 % intervals (Wilson, 1927): without an edit, and with that of
`serve --keep-language`. The space is fitted on other texts, in the chat template. Layer and
strength are chosen on half of the questions and measured on the other half.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

from langsteer.data.corpus import Corpus, read_corpus
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.serving.steering import DRIFTS, keeping
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import default_detector

sys.path.insert(0, str(Path(__file__).parent / "real"))
from confusion_task import ASKED

LANGUAGES = ["ar", "de", "en", "es", "fr", "hi", "ja", "pt", "ru", "zh"]
Item = tuple[list[str], str, str]
"""Sentences, the language of the question, and that of the sentences."""


def parts(path: str, fitted: int, asked: int) -> tuple[Corpus, list[Item]]:
    """Texts to fit on, and documents of others with the languages to ask in."""
    corpus = read_corpus(path).select(LANGUAGES)
    seen: Counter[str] = Counter()
    texts, documents = [], {tag: list[str]() for tag in DRIFTS}
    for text in corpus.texts:
        number = seen[text.language]
        seen[text.language] += 1
        if number < fitted:
            texts.append(text)
        elif number >= fitted + 200 and text.language in DRIFTS:
            documents[text.language].append(text.text)
    items = []
    for number in range(asked):
        drift = DRIFTS[number // len(LANGUAGES) % 2]
        start = 3 * number
        items.append((documents[drift][start : start + 3], LANGUAGES[number % 10], drift))
    return Corpus(tuple(texts), "fit"), [one for one in items if one[1] != one[2]]


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, in percent."""
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return 100 * (middle - half), 100 * (middle + half)


class Bench:
    """A model with a space, and how its answers are judged."""

    def __init__(self, model: Model, space: Space, tokens: int) -> None:
        self.model, self.space, self.tokens = model, space, tokens
        self.detector = default_detector(LANGUAGES)

    def run(self, name: str, items: list[Item], point: OperatingPoint | None) -> float:
        """Ask, print, and return the share in the right language."""
        edits = None
        if point is not None:
            made = {language: keeping(self.space, language, point) for language in LANGUAGES}
            edits = [made[language] for _, language, _ in items]
        answers = self.model.chat(
            [
                [
                    {"role": "user", "content": f"{ASKED[drift]}\n\n{text[0]}"},
                    {"role": "assistant", "content": text[1]},
                    {"role": "user", "content": f"{ASKED[drift]}\n\n{text[2]}"},
                    {"role": "assistant", "content": text[1]},
                    {"role": "user", "content": ASKED[language]},
                ]
                for text, language, drift in items
            ],
            edits,
            Generation(self.tokens),
        )
        found = [one.language for one in self.detector.detect_many(answers)]
        right = [one == language for one, (_, language, _) in zip(found, items, strict=True)]
        missed = Counter(
            language for one, (_, language, _) in zip(right, items, strict=True) if not one
        )
        low, high = interval(sum(right), len(right))
        share = 100 * sum(right) / len(right)
        said = f"{share:.1f} % [{low:.0f}-{high:.0f}] of {len(items)}; missed: {dict(missed)}"
        print(f"{name}: {said}", flush=True)
        return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--fitted", type=int, default=60)
    parser.add_argument("--asked", type=int, default=80)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--layers", type=float, nargs="+", default=[0.45, 0.6], help="of the depth")
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0, 2.0])
    options = parser.parse_args()
    model = Model.from_pretrained(options.model)
    corpus, items = parts(options.corpus, options.fitted, options.asked)
    bench = Bench(model, fit(model, corpus, Reading(chat="assistant")), options.tokens)
    half = len(items) // 2
    tuned, tested = items[:half], items[half:]
    points = [
        OperatingPoint((round(part * (model.depth - 1)),), strength, "generated")
        for part in options.layers
        for strength in options.strengths
    ]
    best = max(
        points,
        key=lambda one: bench.run(f"layer {one.layers[0]}, strength {one.strength}", tuned, one),
    )
    bench.run("without", tested, None)
    bench.run(f"with keep-language, layer {best.layers[0]}, {best.strength}", tested, best)


if __name__ == "__main__":
    main()
