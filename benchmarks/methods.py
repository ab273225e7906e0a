"""Every estimator on the embedded model: the same texts, prompts and budget of tuning.

Five ways of fitting: on prompts that match the tasks, by their last token; on plain monolingual
text on other subjects in each language, over all tokens and over the tokens that languages share;
and two stress cases, 16 matching prompts in each language and matching prompts that are about
different concepts in each language. Tuned on one split, measured on another. Prints one Markdown
table; takes about a quarter of an hour on two cores.

    python benchmarks/methods.py [--estimators difference,effects] [--fits 'plain text']
        [--results cells.jsonl] [--minutes 4] [--output table.md]

With --results every cell is written down as soon as it is measured, and not measured again; with
--minutes it ends after so long, and what is missing is measured by the next run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from atlas.texts import plain_corpus
from langsteer.data.corpus import Corpus
from langsteer.data.files import write_whole
from langsteer.data.prompts import PromptSet
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.estimators.registry import ESTIMATORS, find, keep_for
from langsteer.evaluation.cases import Case, Outcome, cases, ordered_pairs, sample_cases
from langsteer.evaluation.conditions import STEERED
from langsteer.evaluation.judge import Judge
from langsteer.evaluation.objective import objective
from langsteer.evaluation.runner import Asking, Runner
from langsteer.evaluation.summary import scores
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.statistics.pooling import Pooling
from langsteer.text.detect import default_detector

LAYERS = (2, 3, 4)
STRENGTHS = (0.5, 1.0, 2.0, 4.0)
FINALISTS = 2
MAX_NEW_TOKENS = 24
FEW = 16
EVERYTHING = 10**6
MISSING = "not measured"


def few() -> Corpus:
    """`FEW` matching prompts in each language, the same ones as far as they exist in all."""
    whole = matching_corpus()
    concepts = sorted({str(text.concept) for text in whole.texts})
    random.Random(0).shuffle(concepts)
    order = {concept: place for place, concept in enumerate(concepts)}
    kept = []
    for language in whole.languages:
        mine = [text for text in whole.texts if text.language == language]
        kept += sorted(mine, key=lambda text: order[str(text.concept)])[:FEW]
    return Corpus(tuple(kept), name="atlas-fit-few")


def apart() -> Corpus:
    """Matching prompts, each concept in one language only."""
    whole = matching_corpus(per_family=EVERYTHING)
    concepts = sorted({str(text.concept) for text in whole.texts})
    random.Random(0).shuffle(concepts)
    owner: dict[str, str] = {}
    have = {
        language: {text.concept for text in whole.texts if text.language == language}
        for language in whole.languages
    }
    for concept in concepts:
        able = [language for language in whole.languages if concept in have[language]]
        owner[concept] = min(able, key=lambda one: list(owner.values()).count(one))
    kept = [text for text in whole.texts if owner[str(text.concept)] == text.language]
    return Corpus(tuple(kept), name="atlas-fit-apart")


FITS: dict[str, tuple[Callable[[], Corpus], Pooling]] = {
    "matching prompts": (matching_corpus, "last"),
    "plain text": (plain_corpus, "tokens"),
    "plain text, same tokens": (plain_corpus, "matched"),
    f"{FEW} matching prompts": (few, "last"),
    "different concepts": (apart, "last"),
}


@dataclass(frozen=True)
class Task:
    """A model, and the cases for tuning (a few first, then more) and for testing."""

    loaded: Model
    for_tuning: PromptSet
    rough: Sequence[Case]
    fine: Sequence[Case]
    for_testing: PromptSet
    test: Sequence[Case]


@dataclass(frozen=True)
class Cell:
    """What one estimator reached with one way of fitting, in per cent; or why it did not."""

    fit: str
    estimator: str
    score: float = 0.0
    low: float = 0.0
    high: float = 0.0
    cases: int = 0
    layer: int = 0
    strength: float = 0.0
    refused: str = ""

    def __str__(self) -> str:
        if self.refused:
            return f"– ({self.refused})"
        interval = f"{self.score:.1f} [{self.low:.0f}–{self.high:.0f}]"
        return f"{interval} · {self.layer}, {self.strength:g}"


def answers(
    task: Task, space: Space, asked: PromptSet, todo: Sequence[Case], points: list[OperatingPoint]
) -> list[list[Outcome]]:
    """The judged answers to all cases at each point, in mixed batches."""
    detector = default_detector(asked.languages)
    runner = Runner(task.loaded, space, Judge(asked, detector), Asking(MAX_NEW_TOKENS))
    spread = [point for point in points for _ in todo]
    found = runner.steer(STEERED, list(todo) * len(points), spread)
    return [found[start : start + len(todo)] for start in range(0, len(found), len(todo))]


def tuned(task: Task, space: Space, estimator: str) -> OperatingPoint:
    """The best of all points on few cases, and of the best few on more; of equals the nearest
    to strength 1.
    """
    points = [
        OperatingPoint((layer,), strength, "all", estimator)
        for layer in LAYERS
        for strength in STRENGTHS
    ]
    for todo, kept in ((task.rough, FINALISTS), (task.fine, 1)):
        found = answers(task, space, task.for_tuning, todo, points)
        quality = [
            (round(objective(one), 4), -abs(point.strength - 1))
            for one, point in zip(found, points, strict=True)
        ]
        ranked = sorted(range(len(points)), key=quality.__getitem__, reverse=True)
        points = [points[place] for place in ranked[:kept]]
    return points[0]


def measure(task: Task, space: Space, fitted: str, estimator: str) -> Cell:
    """Tune an estimator, then score it on the test cases."""
    try:
        point = tuned(task, space, estimator)
    except LangsteerError as error:
        aligned = find(estimator)[0].aligned
        why = "needs aligned texts" if aligned else f"refused: {type(error).__name__}"
        return Cell(fitted, estimator, refused=why)
    (found,) = answers(task, space, task.for_testing, task.test, [point])
    rate = scores(found).harmonic_mean
    if rate is None:
        raise LangsteerError("The test prompts have no keys. Use prompts with references.")
    return Cell(
        fitted,
        estimator,
        *(round(100 * value, 2) for value in (rate.value, rate.low, rate.high)),
        cases=len(found),
        layer=point.layers[0],
        strength=point.strength,
    )


def task_for(loaded: Model) -> Task:
    """One tuning case and three test cases (one of each family) for every pair of languages."""
    for_tuning, for_testing = prompts("tune", 4), prompts("test", 12)
    pairs = ordered_pairs(for_tuning.languages)
    fine = sample_cases(cases(for_tuning, pairs), 1, families=False)
    rough = random.Random(0).sample(fine, len(fine) // 4)
    test = sample_cases(cases(for_testing, pairs), 1, 1)
    return Task(loaded, for_tuning, rough, fine, for_testing, test)


def measured(
    fits: list[str], names: list[str], done: dict[tuple[str, str], Cell]
) -> Iterator[Cell]:
    """The cells that are not done yet."""
    task = None
    for fitted in fits:
        missing = [name for name in names if (fitted, name) not in done]
        if not missing:
            continue
        task = task or task_for(Model.from_pretrained(str(MODEL)))
        make, pooling = FITS[fitted]
        keep = keep_for(names, layers=LAYERS, pooling=pooling)
        space = fit(task.loaded, make(), Reading(pooling=pooling, layers=LAYERS, keep=keep))
        yield from map(partial(measure, task, space, fitted), missing)


def table(fits: list[str], names: list[str], done: dict[tuple[str, str], Cell]) -> str:
    """The cells as Markdown, one row for each estimator."""
    lines = ["| estimator | " + " | ".join(fits) + " |", "|---" * (len(fits) + 1) + "|"]
    lines += [
        f"| `{name}` | "
        + " | ".join(str(done.get((fitted, name), MISSING)) for fitted in fits)
        + " |"
        for name in names
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estimators", default=",".join(ESTIMATORS), help="names, with commas")
    parser.add_argument("--fits", default=";".join(FITS), help="ways of fitting, with semicolons")
    parser.add_argument("--results", type=Path, help="file of cells, read first and added to")
    parser.add_argument("--minutes", type=float, default=60.0, help="end after so long")
    parser.add_argument("--output", type=Path, help="file for the table")
    options = parser.parse_args()
    names, fits = options.estimators.split(","), options.fits.split(";")
    done: dict[tuple[str, str], Cell] = {}
    if options.results and options.results.exists():
        for line in options.results.read_text(encoding="utf-8").splitlines():
            cell = Cell(**json.loads(line))
            done[cell.fit, cell.estimator] = cell
    end = time.monotonic() + 60 * options.minutes
    for cell in measured(fits, names, dict(done)):
        done[cell.fit, cell.estimator] = cell
        print(f"{cell.fit}, {cell.estimator}: {cell}", flush=True)
        if options.results:
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(cell)) + "\n")
        if time.monotonic() > end:
            break
    text = table(fits, names, done)
    print("\n" + text)
    if options.output:
        write_whole(options.output, text.encode(), LangsteerError)


if __name__ == "__main__":
    main()
