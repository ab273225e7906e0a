"""Several layers: plain differences of means against increments, on the embedded model.

From English to four languages, with shifts at sets of layers. Each row says how often the answer
holds the right name in the target language (a language and a meaning in one), and how far the mean
of the English fitting texts goes at the last layer of the set: 1 is the target's mean. Prints one
Markdown table; takes about half a minute on two cores.

    python benchmarks/increments.py
"""

from __future__ import annotations

from langsteer.data.corpus import Corpus
from langsteer.data.prompts import Prompt
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.evaluation.aggregate import Weighting, rate
from langsteer.fitting.collect import collect
from langsteer.fitting.increments import fit_increments
from langsteer.fitting.reading import Reading
from langsteer.statistics import Statistics

SOURCE, TARGETS = "en", ("ru", "zh", "ar", "ja")
SETS = ((4,), (3, 4, 5), (2, 4, 6), (1, 2, 3, 4, 5, 6))
SCOPE, PER_FAMILY, NEW_TOKENS = "generated", 12, 12


def asked(per_language: int) -> list[Prompt]:
    """English test prompts whose answer is a name in each of the targets."""
    return [
        prompt
        for prompt in prompts("test", per_language).prompts
        if prompt.language == SOURCE
        and prompt.family in ("translation", "question")
        and all(target in prompt.references for target in TARGETS)
    ]


def differences(statistics: Statistics, layers: tuple[int, ...], target: str) -> dict[int, Shift]:
    """The plain difference of means at each of the layers."""
    return {
        layer: Shift((statistics.mean(target, layer) - statistics.mean(SOURCE, layer)).float())
        for layer in layers
    }


def correct(loaded: Model, maps: dict[int, Shift], todo: list[Prompt], target: str) -> list[float]:
    """For each prompt, whether the steered answer holds the right name in the target language."""
    texts = loaded.generate(
        [prompt.text for prompt in todo],
        Edit(maps, scope=Scope.parse(SCOPE)),
        Generation(max_new_tokens=NEW_TOKENS),
        stop=[prompt.stop for prompt in todo],
    )
    return [
        float(any(name.casefold() in text.casefold() for way in names for name in way))
        for text, names in zip(texts, (prompt.references[target] for prompt in todo), strict=True)
    ]


def gone(
    loaded: Model, corpus: Corpus, statistics: Statistics, maps: dict[int, Shift], target: str
) -> float:
    """How far on the line to the target's mean the steered source's mean is at the last layer."""
    last = max(maps)
    with steering(loaded.stream, Edit(maps, scope=Scope.parse(SCOPE))):
        steered = collect(
            loaded, corpus.select((SOURCE,)), Reading(layers=[last], pooling="last"), alone=True
        )
    origin = statistics.mean(SOURCE, last)
    whole = statistics.mean(target, last) - origin
    return float((steered.mean(SOURCE, last) - origin) @ whole / (whole @ whole))


def main() -> None:
    """Measure and print."""
    loaded, corpus = (
        Model.from_pretrained(str(MODEL)),
        matching_corpus("fit", per_family=PER_FAMILY),
    )
    corpus = corpus.select((SOURCE, *TARGETS))
    statistics = collect(loaded, corpus, Reading(pooling="last"))
    todo = asked(16)
    clusters = [prompt.concepts for prompt in todo] * len(TARGETS)
    print("| layers | shifts | right name in the target language | way gone at the last layer |")
    print("|---|---|---|---|")
    for layers in SETS:
        for name in ("differences", "increments"):
            hits: list[float] = []
            ways: list[float] = []
            for target in TARGETS:
                maps = (
                    differences(statistics, layers, target)
                    if name == "differences"
                    else fit_increments(
                        loaded,
                        corpus,
                        layers,
                        SOURCE,
                        target,
                        options=Reading(pooling="last"),
                        scope=SCOPE,
                    )
                )
                hits += correct(loaded, maps, todo, target)
                ways.append(gone(loaded, corpus, statistics, maps, target))
            found = rate(hits, Weighting.plain(len(hits), clusters))
            way = f"{min(ways):.2f} to {max(ways):.2f}"
            print(f"| {', '.join(map(str, layers))} | {name} | {found} | {way} |", flush=True)


if __name__ == "__main__":
    main()
