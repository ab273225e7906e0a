"""Every estimator on the embedded model: the same texts, prompts and budget of tuning.

Two ways of fitting: from prompts that match the tasks (last token), and from plain monolingual text
on other subjects in each language (all tokens). Tuned on one split, measured on another. Prints one
Markdown table; takes some minutes on two cores.

    python benchmarks/methods.py [--estimators difference,effects]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langsteer.atlas.demo import MODEL
from langsteer.atlas.tasks import matching_corpus, plain_corpus, prompts
from langsteer.corpus import Corpus
from langsteer.detect import LinguaDetector
from langsteer.errors import LangsteerError
from langsteer.estimators.registry import ESTIMATORS, keep_for
from langsteer.evaluation.prompts import PromptSet
from langsteer.evaluation.rates import Rate, combined_rate, harmonic_mean
from langsteer.evaluation.run import STEERED, Case, Outcome, Runner, cases, ordered_pairs
from langsteer.evaluation.summary import objective
from langsteer.fitting import fit
from langsteer.loading import Loaded, load
from langsteer.space import OperatingPoint, Space
from langsteer.tuning import sample_cases

LAYERS = (2, 3, 4, 5)
STRENGTHS = (0.7, 1.0, 1.5)
FITS = {"matching prompts": (matching_corpus(), "last"), "plain text": (plain_corpus(), "tokens")}
MAX_NEW_TOKENS = 24


@dataclass(frozen=True)
class Task:
    """A model, and the cases for tuning and for testing."""

    loaded: Loaded
    tune: tuple[PromptSet, Sequence[Case]]
    test: tuple[PromptSet, Sequence[Case]]


def answers(
    task: Task, space: Space, part: tuple[PromptSet, Sequence[Case]], points: list[OperatingPoint]
) -> list[list[Outcome]]:
    asked, todo = part
    detector = LinguaDetector(asked.languages)
    runner = Runner(task.loaded, space, asked, detector, max_new_tokens=MAX_NEW_TOKENS)
    spread = [point for point in points for _ in todo]
    found = runner.steer(STEERED, list(todo) * len(points), spread)
    return [found[start : start + len(todo)] for start in range(0, len(found), len(todo))]


def tuned(task: Task, space: Space, estimator: str) -> OperatingPoint:
    points = [
        OperatingPoint((layer,), strength, "all", estimator)
        for layer in LAYERS
        for strength in STRENGTHS
    ]
    scored = zip(answers(task, space, task.tune, points), points, strict=True)
    return max(scored, key=lambda pair: objective(pair[0]))[1]


def score(outcomes: list[Outcome]) -> Rate:
    """The harmonic mean of language and meaning over all prompts with a key."""
    columns = np.array(
        [[one.verdict.language_right, bool(one.verdict.meaning_right)] for one in outcomes],
        dtype=np.float64,
    )
    clusters = [one.case.prompt.concepts[-1] for one in outcomes]
    return combined_rate(columns, lambda means: harmonic_mean(means[:, 0], means[:, 1]), clusters)


def row(task: Task, spaces: dict[str, Space], estimator: str) -> str:
    cells = []
    for space in spaces.values():
        try:
            point = tuned(task, space, estimator)
        except LangsteerError as error:
            cells += [f"needs other texts ({str(error).split('.')[0]})", "–"]
            continue
        (found,) = answers(task, space, task.test, [point])
        rate = score(found)
        cells += [
            f"{100 * rate.value:.1f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]",
            f"{point.layers[0]}, {point.strength:g}",
        ]
    return " | ".join(["", f"`{estimator}`", *cells, ""]).strip()


def space_of(loaded: Loaded, corpus: Corpus, pooling: str, names: list[str]) -> Space:
    keep = keep_for(names, layers=LAYERS)
    return fit(loaded, corpus, pooling=pooling, layers=LAYERS, keep=keep)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estimators", default=",".join(ESTIMATORS), help="names, with commas")
    names = parser.parse_args().estimators.split(",")
    loaded = load(str(MODEL))
    for_tuning, for_testing = prompts("tune", 4), prompts("test", 12)
    pairs = ordered_pairs(for_tuning.languages)
    task = Task(
        loaded,
        (for_tuning, sample_cases(cases(for_tuning, pairs), 1, families=False)),
        (for_testing, sample_cases(cases(for_testing, pairs), 1, 1)),
    )
    spaces = {
        name: space_of(loaded, corpus, pooling, names) for name, (corpus, pooling) in FITS.items()
    }
    print("| estimator | " + " | ".join(f"{name} | layer, strength" for name in spaces) + " |")
    print("|---|" + "---|---|" * len(spaces))
    for name in names:
        print(row(task, spaces, name), flush=True)


if __name__ == "__main__":
    main()
