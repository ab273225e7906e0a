"""Tuning by teacher forcing against tuning by answers: what each costs, and how good its choice is.

On the embedded model and its three kinds of prompts; both searches have the same candidates and
prompts, and both choices answer the same test prompts. Prints Markdown. Takes some minutes on two
cores.

    python benchmarks/tuning_forced.py [--per-language 24] [--per-pair 2]
"""

from __future__ import annotations

import argparse
import time
from typing import cast

from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.engines.transformers.model import Model
from langsteer.estimators.registry import keep_for
from langsteer.evaluation.cases import cases, ordered_pairs, sample_cases
from langsteer.evaluation.conditions import STEERED
from langsteer.evaluation.judge import Judge
from langsteer.evaluation.objective import objective
from langsteer.evaluation.runner import Asking, Runner
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.text.detect import default_detector
from langsteer.tuning import TuningOptions, describe, tune_space
from langsteer.tuning.spaces import Ranking

ESTIMATORS = ("difference", "erasure")
SCOPES = ("all", "prompt", "generated")
ASKING = Asking(max_new_tokens=24)


def main() -> None:
    """Tune both ways, and test both choices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--per-language", type=int, default=24, help="tuning prompts a task")
    parser.add_argument("--per-pair", type=int, default=2, help="test prompts a task")
    given = parser.parse_args()
    model = Model.from_pretrained(str(MODEL))
    space = fit(model, matching_corpus(), Reading(pooling="last", keep=keep_for(ESTIMATORS)))
    tuning, test = prompts("tune", given.per_language), prompts("test", given.per_language)
    asked = sample_cases(cases(test, ordered_pairs(space.languages)), given.per_pair)
    runner = Runner(model, space, Judge(test, default_detector(space.languages)), ASKING)
    print("| ranked by | seconds | tokens | choice | objective on test prompts |")
    print("|---|---|---|---|---|")
    for ranking in ("forcing", "answers"):
        options = TuningOptions(
            scopes=SCOPES, estimators=ESTIMATORS, ranking=cast(Ranking, ranking), asking=ASKING,
            quiet=True,
        )  # fmt: skip
        began = time.perf_counter()
        tuned = tune_space(model, space, tuning, options)
        seconds = time.perf_counter() - began
        value = objective(runner.run(STEERED, asked, tuned.point))
        print(
            f"| {ranking} | {seconds:.0f} | {tuned.tokens} | {describe(tuned.point)} "
            f"| {100 * value:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
