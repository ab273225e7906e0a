"""Tuning against the exhaustive grid, on the embedded model.

The grid answers test prompts at every layer, scope, estimator and strength; its best configuration
is chosen on these very prompts, which no real search could do. Tuning sees the prompts for tuning
alone. Then both choices answer further test prompts, the same ones. Prints Markdown, with what the
statistics promised of each layer, and what is saved where equal rows share the blocks below the
edit.

The grid takes many minutes on two cores, even with one prompt for each pair of languages. What was
answered is kept in a folder: with --minutes it stops after so long, and the same command goes on.

    python benchmarks/tuning.py [--folder FOLDER] [--minutes 4] [--rounds 2]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.edits.edit import Edit
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.prefix import shared_prefix
from langsteer.estimators.registry import keep_for
from langsteer.evaluation.cases import Case, Outcome, cases, ordered_pairs
from langsteer.evaluation.judge import Judge
from langsteer.evaluation.runner import Asking, Runner
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import default_detector
from langsteer.tuning import (
    Journal,
    Tuned,
    TuningOptions,
    best_layers,
    describe,
    rank_layers,
    tune_space,
)
from langsteer.tuning.cases import in_order
from langsteer.tuning.comparing import compare
from langsteer.tuning.evaluator import Evaluator
from langsteer.tuning.prediction import rank_correlation
from langsteer.tuning.table import Answered, place

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
SCOPES = ("all", "generated")
ESTIMATORS = ("difference", "erasure")
SEEDS = (0, 1, 2)
BUDGET = 6_500
MAX_NEW_TOKENS = 24
ROUND = 66
"""Cases asked at a time: half of the 132 pairs of languages."""
FURTHER = 396
SHARED_LAYER = 3
SHARED_TOKENS = 10
SHARED_RUNS = 3


class OutOfTimeError(Exception):
    """The minutes are over."""


class Grid:
    """Every configuration on the same test cases."""

    def __init__(self, evaluator: Evaluator, layers: Sequence[int], deadline: float) -> None:
        self.evaluator, self.answered, self.deadline = evaluator, Answered(), deadline
        self.points = [
            OperatingPoint((layer,), strength, scope, estimator)
            for layer, scope, estimator, strength in itertools.product(
                layers, SCOPES, ESTIMATORS, STRENGTHS
            )
        ]

    def run(self, order: Sequence[Case], rounds: int) -> None:
        """Answer one round of cases after the other under all configurations."""
        for number in range(rounds):
            for points in _batched(self.points, len(STRENGTHS)):
                if time.monotonic() > self.deadline:
                    raise OutOfTimeError
                self.answered.extend(self.evaluator, order[: (number + 1) * ROUND], points)

    def best(self) -> OperatingPoint:
        """The configuration with the highest objective."""
        return max(self.points, key=self.answered.objective)


def _batched(points: Sequence[OperatingPoint], size: int) -> list[Sequence[OperatingPoint]]:
    return [points[start : start + size] for start in range(0, len(points), size)]


def tuned(loaded: Model, space: Space, folder: Path, deadline: float) -> list[Tuned]:
    """One search for each seed, on the prompts for tuning."""
    found = []
    for seed in SEEDS:
        if time.monotonic() > deadline:
            raise OutOfTimeError
        found.append(
            tune_space(
                loaded,
                space,
                prompts("tune", 6),
                TuningOptions(
                    scopes=SCOPES,
                    estimators=ESTIMATORS,
                    budget=BUDGET,
                    asking=Asking(MAX_NEW_TOKENS),
                    journal=folder / f"tune-{seed}.jsonl",
                    quiet=True,
                    seed=seed,
                ),
            )
        )
    return found


def measure(folder: Path, rounds: int, deadline: float) -> None:
    """Tune, run the grid, and compare."""
    loaded = Model.from_pretrained(str(MODEL))
    corpus = matching_corpus()
    space = fit(loaded, corpus, Reading(pooling="last", keep=keep_for(ESTIMATORS)), progress=False)
    ours = tuned(loaded, space, folder, deadline)
    asked = prompts("test", 12)
    order = in_order(cases(asked, ordered_pairs(asked.languages)))
    detector = default_detector(asked.languages)
    runner = Runner(loaded, space, Judge(asked, detector), Asking(MAX_NEW_TOKENS))
    settings = {"benchmark": "grid", "max_new_tokens": MAX_NEW_TOKENS, "corpus": corpus.name}
    grid = Grid(Evaluator(runner, Journal(folder / "grid.jsonl", settings)), space.layers, deadline)
    grid.run(order, rounds)
    tokens = grid.evaluator.tokens
    best = grid.best()
    held = order[rounds * ROUND :][:FURTHER]
    journal = Journal(folder / "further.jsonl", settings)
    points = list({place(one): one for one in (best, *(found.point for found in ours))}.values())
    answered = Evaluator(runner, journal).answer(held, points)
    further = {place(point): column for point, column in zip(points, answered, strict=True)}
    compare_choices(grid, tokens, best, ours, further)
    compare_layers(grid, space)
    compare_sharing(loaded, space)


def compare_choices(
    grid: Grid,
    tokens: int,
    best: OperatingPoint,
    ours: Sequence[Tuned],
    further: dict[object, list[Outcome]],
) -> None:
    """What the grid and the searches found, and what it cost."""
    size, count = len(grid.points), len(grid.answered.outcomes(best))
    value = grid.answered.objective(best)
    print(f"Grid: {size} configurations, {count} test cases each, {tokens:,} tokens.\n")
    print(
        "| search | chosen | score | further cases | minus grid's best [95 %] | tokens | share |\n"
        "|---|---|---|---|---|---|---|"
    )
    rows = [("grid, best on test", best, tokens)]
    rows += [
        (f"tuning, seed {seed}", found.point, found.tokens)
        for seed, found in zip(SEEDS, ours, strict=True)
    ]
    grid.answered.extend(
        grid.evaluator,
        [one.case for one in grid.answered.outcomes(best)],
        [point for _, point, _ in rows],
    )
    for name, point, cost in rows:
        own = grid.answered.objective(point)
        compared = compare([further[place(point)], further[place(best)]])
        low, high = compared.gain(0, 1)
        print(
            f"| {name} | {describe(point)} | {100 * own:.1f} ({100 * (own - value):+.1f}) "
            f"| {100 * compared.value[0]:.1f} "
            f"| {100 * (compared.value[0] - compared.value[1]):+.1f} "
            f"[{100 * low:+.1f}, {100 * high:+.1f}] | {cost:,} | {cost / tokens:.1%} |"
        )


def compare_layers(grid: Grid, space: Space) -> None:
    """What the statistics promised of each layer, and what came of it."""
    found = rank_layers(space.statistics)
    measured = {}
    print("\n| layer | separability | language | alignment | promise | measured | candidate |")
    print("|---|---|---|---|---|---|---|")
    for one in found:
        point = OperatingPoint((one.layer,), 1.0, "all", "difference")
        measured[one.layer] = grid.answered.objective(point)
        alignment = "–" if one.alignment is None else f"{one.alignment:.3f}"
        print(
            f"| {one.layer} | {one.separability:.3f} | {one.language:.3f} | {alignment} "
            f"| {one.score:.3f} | {100 * measured[one.layer]:.1f} "
            f"| {'yes' if one.layer in best_layers(found) else ''} |"
        )
    correlation = rank_correlation({one.layer: one.score for one in found}, measured)
    print(f"\nRank correlation of promise and measured score: {correlation:.2f}")


def compare_sharing(loaded: Model, space: Space) -> None:
    """Seconds of answers with and without shared rows, for short and for long prompts."""
    short = [one.text for one in prompts("tune", 2).prompts if one.language == "en"]
    print("\n| tokens of the longest prompt | rows | alone, s | shared, s | saved | same texts |")
    print("|---|---|---|---|---|---|")
    for times in (1, 12):
        texts = [" ".join([text.rstrip('"')] * (times - 1) + [text]) for text in short]
        rows = [
            (text, Edit(space.maps("en", to, [SHARED_LAYER]), strength))
            for text in texts
            for to in ("de", "ja", "ru")
            for strength in (0.7, 1.0, 1.4)
        ]
        alone, plain = _timed(loaded, rows)
        with shared_prefix(loaded.stream, SHARED_LAYER):
            together, shared = _timed(loaded, rows)
        length = max(len(ids) for ids in loaded.tokenizer(texts)["input_ids"])
        same = sum(one == other for one, other in zip(alone, together, strict=True))
        print(
            f"| {length} | {len(rows)} | {plain:.2f} | {shared:.2f} | {1 - shared / plain:.0%} "
            f"| {same} |"
        )


def _timed(loaded: Model, rows: Sequence[tuple[str, Edit]]) -> tuple[list[str], float]:
    """The answers, and the least processor seconds of some runs."""
    seconds, answers = [], []
    for _ in range(SHARED_RUNS):
        began = time.process_time()
        answers = loaded.generate(
            [text for text, _ in rows],
            [edit for _, edit in rows],
            Generation(max_new_tokens=SHARED_TOKENS),
        )
        seconds.append(time.process_time() - began)
    return answers, min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where answers are kept; default: nowhere")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--rounds", type=int, default=2, help=f"of {ROUND} cases each")
    parser.add_argument("--sharing", action="store_true", help="only what sharing rows saves")
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    if options.sharing:
        loaded = Model.from_pretrained(str(MODEL))
        compare_sharing(
            loaded, fit(loaded, matching_corpus(), Reading(pooling="last"), progress=False)
        )
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            measure(options.folder or Path(scratch), options.rounds, deadline)
        except OutOfTimeError:
            sys.exit("The minutes are over; run the same command again to go on.")


if __name__ == "__main__":
    main()
