"""How long `langsteer evaluate` takes on the embedded model: all pairs, all conditions.

    python benchmarks/evaluating.py [--prompts 50]

Asks about so many prompts for every ordered pair of the twelve languages, and prints the seconds of
every stage.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from math import ceil

import torch

from langsteer.demo.run import MODEL
from langsteer.demo.tasks import MEASURED, matching_corpus, prompts
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.conditions import STEERED
from langsteer.evaluation.evaluate import evaluate
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=50, help="prompts of each pair of languages")
    options = parser.parse_args()
    began = time.perf_counter()
    loaded = Model.from_pretrained(str(MODEL))
    space = fit(loaded, matching_corpus(), Reading(pooling="last"), progress=False)
    ready, processor = time.perf_counter(), time.process_time()
    asked = prompts("test", ceil(options.prompts / len(MEASURED)))
    proof = evaluate(loaded, space, asked, space.default_point())
    steered = [one for one in proof.outcomes if one.condition == STEERED.name]
    pairs = len({(one.case.source, one.case.target) for one in steered})
    found = {
        "languages": len(space.languages),
        "pairs": pairs,
        "prompts per pair": round(len(steered) / pairs, 1),
        "answers": len(proof.outcomes),
        "threads": torch.get_num_threads(),
        "load of the machine": os.getloadavg()[0],
        "seconds to load and fit": round(ready - began, 1),
        "seconds": {name: round(value, 1) for name, value in proof.seconds.items()},
        "seconds to evaluate": round(time.perf_counter() - ready, 1),
        "processor seconds of that, all threads": round(time.process_time() - processor, 1),
    }
    print(json.dumps(found, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
