"""The main job, end to end, on the embedded model, which is treated like any other."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langsteer.data.corpus import read_corpus
from langsteer.data.files import write_whole
from langsteer.data.prompts import read_prompts, write_prompts
from langsteer.demo.tasks import DESCRIPTIONS, matching_corpus, prompts
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.evaluation.evaluate import Evaluation, EvaluationOptions, evaluate
from langsteer.evaluation.runner import Asking
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.progress import Timer
from langsteer.space.trained import TRAINED
from langsteer.training import TrainingOptions, train
from langsteer.tuning import TuningOptions, tune_space

MODEL = Path(__file__).parent / "model"
"""The embedded model: a folder like that of any other."""
TUNE_PROMPTS = 6
TEST_PROMPTS = 12
TUNE_TOKENS = 24_000
PER_PAIR = 4
TRAINING = TrainingOptions(
    continuation="own",
    separator="",
    max_continuation=12,
    scope="all",
    steps=30,
)
"""This model keeps to its prompt's language while it writes: what it has written is edited, too."""
MAX_NEW_TOKENS = 36


@dataclass(frozen=True)
class Demo:
    """What the demonstration measured, and where it was written."""

    evaluation: Evaluation
    page: Path
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The numbers of the proof, the report, and the seconds that everything took."""
        found = self.evaluation.as_json()
        return {
            **found,
            "stages": found["seconds"],
            "seconds": self.seconds,
            "report": str(self.page),
        }


@dataclass(frozen=True)
class DemoFiles:
    """The embedded world as plain files."""

    model: Path
    corpus: Path
    tune: Path
    test: Path


def export(folder: Path, seed: int = 0) -> DemoFiles:
    """Write the model, the corpus and the prompts to a folder, in the formats of any other."""
    folder.mkdir(parents=True, exist_ok=True)
    found = DemoFiles(
        folder / "model", folder / "fit.jsonl", folder / "tune.jsonl", folder / "test.jsonl"
    )
    for part in sorted(MODEL.iterdir()):
        write_whole(found.model / part.name, part.read_bytes(), LangsteerError)
    matching_corpus("fit", seed=seed).write_jsonl(found.corpus)
    write_prompts(prompts("tune", TUNE_PROMPTS, seed).prompts, found.tune)
    write_prompts(prompts("test", TEST_PROMPTS, seed).prompts, found.test)
    return found


def run_demo(folder: Path, *, seed: int = 0, quiet: bool = False) -> Demo:
    """Fit, train, tune, steer, prove and show; writes everything to the folder."""
    began = time.perf_counter()
    timer = Timer(quiet)
    world = export(folder, seed)
    loaded = Model.from_pretrained(str(world.model))
    corpus = read_corpus(str(world.corpus))
    with timer.timed("fit"):
        space = fit(loaded, corpus, Reading(pooling="last"), progress=not quiet)
    with timer.timed("train"):
        space = train(loaded, space, corpus, replace(TRAINING, seed=seed), progress=not quiet)
    tuning = TuningOptions(
        layers=space.layers,
        estimators=("difference", TRAINED),
        budget=TUNE_TOKENS,
        asking=Asking(MAX_NEW_TOKENS),
        quiet=quiet,
        seed=seed,
    )
    tuned = tune_space(loaded, space, read_prompts(world.tune), tuning, timer=timer)
    space = space.with_operating_point(tuned.point)
    space.save(folder / "space.safetensors")
    options = EvaluationOptions(
        per_pair=PER_PAIR, max_new_tokens=MAX_NEW_TOKENS, quiet=quiet, seed=seed
    )
    found = evaluate(loaded, space, read_prompts(world.test), tuned.point, options, timer=timer)
    page = found.write(folder / "report", DESCRIPTIONS)
    return Demo(found, page, time.perf_counter() - began)
