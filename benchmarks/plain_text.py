"""Fitting from plain text: the ways there are, and what they close of the gap to matching prompts.

Matching prompts end where an answer begins, at the same token in every language. Plain text is
sentences and lists on other subjects in each language. Each row is one way to come from plain text
to an edit: which tokens are averaged, which map is made, which positions and layers are edited. All
have the same budget of tuning (12 operating points on one split) and are scored on another. Prints
one Markdown table; takes about five minutes on two cores.

    python benchmarks/plain_text.py [--ways 'matched'] [--gains]

With --gains it prints instead how far apart the languages are at single tokens.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from atlas.texts import plain_corpus
from langsteer.data.corpus import Corpus, Text
from langsteer.demo.documents import OPENING
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import Item, items, matching_corpus
from langsteer.demo.world import world
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Rate
from langsteer.evaluation.objective import objective
from langsteer.evaluation.summary import by_family, scores
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.fit import space_of
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.statistics import Keep, TokenTable
from langsteer.statistics.matching import OTHERS
from langsteer.statistics.pooling import Pooling
from methods import Task, answers, task_for

LAYERS = (2, 3, 4, 5)
SINGLE = tuple((layer,) for layer in LAYERS)
PAIRS = ((2, 3), (2, 4), (3, 4), (3, 5))
STRENGTHS = (1.0, 2.0, 4.0)
FINALISTS = 3
FEW = 16


def few() -> Corpus:
    """Plain text, `FEW` texts in each language."""
    return plain_corpus(per_language=FEW)


def topics() -> Corpus:
    """Plain text with one subject in each language: currencies, languages, countries, or lists."""
    everything = items("question", "fit") + items("continuation", "fit")
    subjects: dict[str, list[Item]] = {}
    for item in everything:
        subjects.setdefault(_subject(item), []).append(item)
    texts = []
    for number, language in enumerate(world().languages):
        pool = subjects[sorted(subjects)[number % len(subjects)]]
        for item in random.Random(language).sample(pool, min(100, len(pool))):
            document = item.write(language)
            text = document.prompt + document.answer if item.lexical else f'"{document.answer}'
            texts.append(Text(text, language))
    return Corpus(tuple(texts), name="atlas-fit-topics")


def _subject(item: Item) -> str:
    if item.fact is not None:
        return "languages" if item.fact.relation == "language" else "currencies"
    return "lists" if item.lexical else "countries"


@dataclass(frozen=True)
class Way:
    """One way from texts to an edit."""

    name: str
    corpus: Callable[[], Corpus] = plain_corpus
    pooling: Pooling = "matched"
    estimator: str = "difference"
    scope: str = "all"
    layers: Sequence[tuple[int, ...]] = SINGLE
    strengths: Sequence[float] = STRENGTHS
    without_opening: bool = False
    """Leave the token out that the prompts end with."""
    gains: bool = True
    """Matched: tokens may differ in how much the languages differ at them."""


MATCHING = Way("matching prompts, last token", matching_corpus, "last")
TOKENS = Way("all tokens", pooling="tokens")
WAYS = (
    MATCHING,
    TOKENS,
    Way("all tokens, strengths 0.7, 1, 1.5", pooling="tokens", strengths=(0.7, 1.0, 1.5)),
    Way("means of texts", pooling="text"),
    Way("last token of each text", pooling="last"),
    Way("matched"),
    Way("matched, all gains 1", gains=False),
    Way("matched, without the token that ends the prompts", without_opening=True),
    Way("… and all gains 1", without_opening=True, gains=False),
    Way("matched, only the last prompt token edited", scope="prompt_last"),
    Way("matched, from the last prompt token on", scope="generated"),
    Way("matched, two layers", layers=PAIRS, strengths=(0.25, 0.5, 1.0)),
    Way("matched, exchange", estimator="exchange"),
    Way("matched, erasure", estimator="erasure"),
    Way("matched, transport-diagonal", estimator="transport-diagonal"),
    Way("all tokens, exchange", pooling="tokens", estimator="exchange"),
    Way("all tokens, erasure", pooling="tokens", estimator="erasure"),
    Way(f"{FEW} texts, all tokens", few, "tokens"),
    Way(f"{FEW} texts, matched", few),
    Way("one subject per language, all tokens", topics, "tokens"),
    Way("one subject per language, matched", topics),
    Way("one subject per language, matched, without …", topics, without_opening=True),
)


@dataclass(frozen=True)
class Found:
    """What a way reached, at the operating point chosen for it."""

    way: Way
    point: OperatingPoint
    score: Rate
    families: dict[str, float]
    cosine: float
    length: float


def without(table: TokenTable, token: int) -> TokenTable:
    """The table in which a token says nothing about languages."""
    kept = table.ids != token
    return TokenTable(table.languages, table.ids[kept], table.counts[kept])


def fitted(loaded: Model, way: Way) -> Space:
    """The space of a way."""
    corpus = way.corpus()
    table = None
    if way.without_opening:
        opening = loaded.tokenizer(OPENING)["input_ids"][-1]
        table = without(token_table(loaded, corpus), opening)
    keep = Keep("pooled", observation="tokens") if way.estimator == "erasure" else None
    found = collect(
        loaded, corpus, Reading(layers=LAYERS, pooling=way.pooling, keep=keep), table=table
    )
    if found.matching is not None:
        found.match(replace(found.matching, gains=way.gains))
    return space_of(loaded, corpus, found)


def tuned(task: Task, space: Space, way: Way) -> OperatingPoint:
    """The best of all points on few cases, and of the best few on more."""
    points = [
        OperatingPoint(layers, strength, way.scope, way.estimator)
        for layers, strength in product(way.layers, way.strengths)
    ]
    for todo, kept in ((task.rough, FINALISTS), (task.fine, 1)):
        found = answers(task, space, task.for_tuning, todo, points)
        quality = [objective(one) for one in found]
        ranked = sorted(range(len(points)), key=quality.__getitem__, reverse=True)
        points = [points[place] for place in ranked[:kept]]
    return points[0]


def likeness(space: Space, reference: Space, layer: int) -> tuple[float, float]:
    """Cosine with Δ of the matching prompts and ratio of norms, averaged over pairs."""
    cosines, lengths = [], []
    for number, source in enumerate(space.languages):
        for target in space.languages[number + 1 :]:
            mine, other = (
                one.mean(target, layer) - one.mean(source, layer) for one in (space, reference)
            )
            cosines.append(float(mine @ other / (mine.norm() * other.norm())))
            lengths.append(float(mine.norm() / other.norm()))
    return sum(cosines) / len(cosines), sum(lengths) / len(lengths)


def measure(task: Task, way: Way, reference: Space) -> Found:
    """Fit, tune and score one way."""
    space = fitted(task.loaded, way)
    point = tuned(task, space, way)
    (found,) = answers(task, space, task.for_testing, task.test, [point])
    rate = scores(found).harmonic_mean
    if rate is None:
        raise SystemExit("The test prompts have no keys.")
    families = {
        family: 100 * one.harmonic_mean.value
        for family, groups in by_family(found).items()
        for one in groups.values()
        if one.harmonic_mean is not None
    }
    return Found(way, point, rate, families, *likeness(space, reference, point.layers[0]))


def row(found: Found, least: float, most: float) -> str:
    """One line of the table; the gap is that from all tokens to matching prompts."""
    value = 100 * found.score.value
    layers = "+".join(map(str, found.point.layers))
    cells = [
        found.way.name,
        f"{value:.1f} [{100 * found.score.low:.0f}–{100 * found.score.high:.0f}]",
        f"{100 * (value - least) / (most - least):.0f} %" if most > least else "–",
        " / ".join(f"{one:.0f}" for one in found.families.values()),
        f"{layers}, {found.point.strength:g}",
        f"{found.cosine:.2f}",
        f"{found.length:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def gains(loaded: Model, layer: int = 3) -> str:
    """How far apart the languages are at the tokens that say most about them, as Markdown."""
    corpus = plain_corpus()
    found = collect(loaded, corpus, Reading(layers=[layer], pooling="matched"))
    if found.matching is None:
        raise SystemExit("Matched statistics have no matching.")
    values = found.matching.scaled()[1][0].tolist()
    names = [
        "all others" if token == OTHERS else f"`{loaded.tokenizer.decode([token])}`"
        for token in found.matching.tokens
    ]
    ranked = sorted(zip(values, names, strict=True), reverse=True)
    lines = [f"| token | gain at block {layer} |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {value:.2f} |" for value, name in ranked])


def main() -> None:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", help="only ways whose name holds this")
    parser.add_argument("--gains", action="store_true", help="only the gains of tokens")
    options = parser.parse_args()
    loaded, wanted = Model.from_pretrained(str(MODEL)), options.ways
    if options.gains:
        print(gains(loaded))
        return
    task = task_for(loaded)
    reference = fitted(task.loaded, MATCHING)
    ends = [measure(task, way, reference) for way in (MATCHING, TOKENS)]
    most, least = (100 * one.score.value for one in ends)
    print(
        "| fitted from | score | of the gap | translation / question / continuation "
        "| layer, strength | cos | norm |"
    )
    print("|---|---|---|---|---|---|---|")
    for way in WAYS:
        if wanted and wanted not in way.name:
            continue
        done = {one.way.name: one for one in ends}
        found = done.get(way.name) or measure(task, way, reference)
        print(row(found, least, most), flush=True)


if __name__ == "__main__":
    main()
