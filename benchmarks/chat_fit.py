"""Which turn of a chat template texts are fitted in: `python benchmarks/chat_fit.py MODEL CORPUS`.

Fits a chat model on plain texts three ways (as an assistant's turn, as a user's turn, without the
template), steers questions in one language to another with each, and prints the share of answers in
the right language, and of degenerate ones. The corpus is a folder with one text file a language.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.degeneration import degenerate
from langsteer.text.detect import Detector, default_detector

QUESTIONS: dict[str, Sequence[str]] = {
    "en": (
        "Why is the sky blue?",
        "How do I cook rice?",
        "What is a good way to learn swimming?",
        "Tell me about the moon.",
        "Why do cats purr?",
        "What should I pack for a trip to the sea?",
    ),
    "de": (
        "Warum ist der Himmel blau?",
        "Wie koche ich Reis?",
        "Wie lernt man am besten schwimmen?",
        "Erzähl mir etwas über den Mond.",
        "Warum schnurren Katzen?",
        "Was soll ich für eine Reise ans Meer einpacken?",
    ),
    "fr": (
        "Pourquoi le ciel est-il bleu ?",
        "Comment cuire du riz ?",
        "Comment apprendre à nager ?",
        "Parle-moi de la lune.",
        "Pourquoi les chats ronronnent-ils ?",
        "Que dois-je emporter pour un voyage à la mer ?",
    ),
    "es": (
        "¿Por qué el cielo es azul?",
        "¿Cómo se cocina el arroz?",
        "¿Cuál es una buena forma de aprender a nadar?",
        "Háblame de la luna.",
        "¿Por qué ronronean los gatos?",
        "¿Qué debo llevar para un viaje al mar?",
    ),
    "zh": (
        "天空为什么是蓝色的？",
        "怎么煮米饭？",
        "学游泳有什么好方法？",
        "给我讲讲月亮。",
        "猫为什么会打呼噜？",
        "去海边旅行应该带什么？",
    ),
    "ru": (
        "Почему небо голубое?",
        "Как сварить рис?",
        "Как лучше научиться плавать?",
        "Расскажи мне о луне.",
        "Почему кошки мурлычут?",
        "Что взять с собой в поездку на море?",
    ),
}
PAIRS = (
    ("en", "de"),
    ("de", "fr"),
    ("fr", "zh"),
    ("es", "ru"),
    ("zh", "en"),
    ("ru", "es"),
    ("de", "en"),
    ("en", "zh"),
)
WAYS = {
    "assistant's turn": Reading(chat="assistant"),
    "user's turn": Reading(chat="user"),
    "no template": Reading(),
}
NEW_TOKENS = 24


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder of a chat model")
    parser.add_argument("corpus", help="folder with one text file a language")
    parser.add_argument("--texts", type=int, default=40, help="texts of each language")
    parser.add_argument("--layers", type=int, nargs="+", help="default: 3/8, 1/2 and 5/8 of all")
    options = parser.parse_args(arguments)
    model = Model.from_pretrained(options.model)
    corpus = Corpus.read(options.corpus).select(tuple(QUESTIONS)).limit(options.texts)
    layers = options.layers or [model.depth * part // 8 for part in (3, 4, 5)]
    detector = default_detector(tuple(QUESTIONS))
    print("| fitted in | layer | right language | degenerate | seconds to fit |")
    print("|---|---|---|---|---|")
    show("(unsteered)", "", measure(model, None, None, detector), 0.0)
    for name, reading in WAYS.items():
        began = time.perf_counter()
        space = fit(model, corpus, reading)
        seconds = time.perf_counter() - began
        for layer in layers:
            point = OperatingPoint((layer,))
            show(name, str(layer), measure(model, space, point, detector), seconds)


def measure(
    model: Model, space: Space | None, point: OperatingPoint | None, detector: Detector
) -> tuple[float, float]:
    """The shares of answers in the target language, and of degenerate ones."""
    asked = [(text, source, target) for source, target in PAIRS for text in QUESTIONS[source]]
    edits = None
    if space is not None:
        edits = [space.edit(source, target, point=point) for _, source, target in asked]
    answers = model.generate(
        [text for text, _, _ in asked], edits, Generation(NEW_TOKENS), chat=ChatOptions()
    )
    found = detector.detect_many(answers)
    right = sum(
        bool(detector.agrees(one, target)) for one, (_, _, target) in zip(found, asked, strict=True)
    )
    return right / len(asked), sum(map(degenerate, answers)) / len(asked)


def show(name: str, layer: str, shares: tuple[float, float], seconds: float) -> None:
    """Print one row."""
    right, broken = shares
    print(f"| {name} | {layer} | {right:.2f} | {broken:.2f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
