"""How well is the language of a text detected, and what do fewer candidates bring?

    python benchmarks/detection.py CORPUS [--texts 300] [--core en,de,…]

CORPUS is anything that `langsteer fit` reads: a folder with one text file per language, a table or
JSON lines. Prints, for every language, the share of its texts that are detected as it: with all
languages of the corpus as candidates, with the languages of --core, and with one other language at
a time (the mean over the others, and the worst of them). A text without a language is an error.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from langsteer.data.corpus import read_corpus
from langsteer.evaluation.rates import Rate, rate
from langsteer.text.detect import LinguaDetector
from langsteer.text.tags import display_name

CORE = "en,de,nl,fr,es,pt,ru,uk,zh,ja,ar,hi"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--texts", type=int, default=300, help="texts of each language, by chance")
    parser.add_argument("--pair-texts", type=int, default=50, help="of these, for the pairs")
    parser.add_argument("--core", default=CORE, help="a smaller set of candidates")
    parser.add_argument("--words", type=int, help="only the first so many words of each text")
    options = parser.parse_args()
    corpus = read_corpus(options.corpus)
    texts: dict[str, list[str]] = {}
    for text in corpus.texts:
        texts.setdefault(text.language, []).append(_cut(text.text, options.words))
    generator = random.Random(0)
    drawn = {
        language: generator.sample(found, min(options.texts, len(found)))
        for language, found in sorted(texts.items())
    }
    began = time.perf_counter()
    show(drawn, options.core.split(","), options.pair_texts)
    print(f"\n{time.perf_counter() - began:.0f} s, {options.texts} texts of each language")


def _cut(text: str, words: int | None) -> str:
    return text if words is None else " ".join(text.split()[:words])


def show(texts: dict[str, list[str]], core: Sequence[str], pair_texts: int) -> None:
    languages = list(texts)
    every = LinguaDetector(languages)
    few = LinguaDetector(core)
    print(
        f"| language | all {len(languages)} | taken for | these {len(core)} | pairs | worst pair |"
    )
    print("|---|---|---|---|---|---|")
    sums: dict[str, list[float]] = {"all": [], "core, all": [], "core": [], "pairs": []}
    for language, sample in texts.items():
        found = [one.language for one in every.detect_many(sample)]
        whole = _rate(found, language)
        sums["all"].append(whole.value)
        inner = None
        if language in core:
            inner = _rate([one.language for one in few.detect_many(sample)], language)
            sums["core"].append(inner.value)
            sums["core, all"].append(whole.value)
        pairs = {
            other: _pair(language, other, sample[:pair_texts])
            for other in languages
            if other != language
        }
        sums["pairs"].append(sum(pairs.values()) / len(pairs))
        worst = min(pairs, key=lambda other: pairs[other])
        print(
            f"| {display_name(language)} ({language}) | {_percent(whole)} "
            f"| {_confused(found, language)} | {'' if inner is None else _percent(inner)} "
            f"| {100 * sums['pairs'][-1]:.1f} | {_worst(worst, pairs[worst])} |",
            flush=True,
        )
    means = {name: sum(values) / len(values) for name, values in sums.items() if values}
    print(
        f"\nmean of the languages: {means['all']:.2%} with all candidates, "
        f"{means['pairs']:.2%} in pairs"
    )
    if "core" in means:
        print(
            f"mean of the {len(core)}: {means['core, all']:.2%} with all candidates, "
            f"{means['core']:.2%} with these"
        )


def _pair(language: str, other: str, sample: Sequence[str]) -> float:
    found = LinguaDetector([language, other]).detect_many(sample)
    return sum(one.language == language for one in found) / len(found)


def _rate(found: Sequence[str | None], language: str) -> Rate:
    return rate([float(one == language) for one in found])


def _percent(one: Rate) -> str:
    return f"{100 * one.value:.1f} [{100 * one.low:.1f}–{100 * one.high:.1f}]"


def _worst(other: str, share: float) -> str:
    return "" if share == 1 else f"{other} {100 * share:.0f}"


def _confused(found: Sequence[str | None], language: str) -> str:
    wrong = [one or "none" for one in found if one != language]
    counts = sorted(((wrong.count(one), one) for one in set(wrong)), reverse=True)[:2]
    return ", ".join(f"{one} {100 * count / len(found):.1f}" for count, one in counts)


if __name__ == "__main__":
    main()
