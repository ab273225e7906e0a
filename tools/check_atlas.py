"""Measure the model of the atlas on its own prompts, unsteered, against its gate.

The gate: in each language, right in at least 97 % of the prompts of translation, question and
continuation. The rate at which instructions are followed is printed beside it.

    python tools/check_atlas.py src/langsteer/demo/model
"""

from __future__ import annotations

import sys
from collections import defaultdict

from atlas.writer import FAMILIES, Writer
from langsteer.demo.documents import Document
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.judge import normalised, occurs

GATE = 0.97
PER_LANGUAGE = 300
SEED = 99
GATED = FAMILIES[:3]


def sample(family: str) -> list[Document]:
    """As many documents of one family in each language."""
    weights = [float(family == other) for other in FAMILIES]
    chosen: dict[str, list[Document]] = defaultdict(list)
    stream = Writer(None, SEED).stream(weights)
    while len(chosen) < 12 or min(map(len, chosen.values())) < PER_LANGUAGE:
        document = next(stream)
        if len(chosen[document.language]) < PER_LANGUAGE:
            chosen[document.language].append(document)
    return [document for found in chosen.values() for document in found]


def is_right(document: Document, answer: str) -> bool:
    """A translation is the word itself; other answers hold one name of every group."""
    if document.family == "translation":
        return answer.split('"', maxsplit=1)[0] == document.keys[0][0]
    text = normalised(answer)
    return all(any(occurs(normalised(name), text) for name in group) for group in document.keys)


def main() -> None:
    loaded = Model.from_pretrained(sys.argv[1])
    failed = False
    for family in FAMILIES:
        documents = sample(family)
        prompts = [document.prompt for document in documents]
        answers = loaded.generate(prompts, None, Generation(max_new_tokens=64))
        right: dict[str, list[bool]] = defaultdict(list)
        for document, answer in zip(documents, answers, strict=True):
            right[document.language].append(is_right(document, answer))
        rates = {language: sum(found) / len(found) for language, found in sorted(right.items())}
        failed |= family in GATED and min(rates.values()) < GATE
        print(
            f"{family:13s}", "  ".join(f"{name} {100 * rate:5.1f}" for name, rate in rates.items())
        )
    print("gate missed" if failed else f"gate passed: at least {GATE:.0%} in every language")
    sys.exit(failed)


if __name__ == "__main__":
    main()
