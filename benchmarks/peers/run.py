"""langsteer beside what people use, on one model, in easy and in hard settings.

    python benchmarks/peers/run.py --output docs/benchmarks.md

Makes an environment for every package of others, measures every method in a process of its own, and
writes the table and the figure. What is measured already is taken from the cache, so a run that was
stopped goes on where it was; a change of this code measures anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from baselines import Prompting, ScriptMask
from document import write
from environments import PACKAGES, environment
from measure import Bench, Size
from ours import Ours
from packages import ConceptErasure, Repeng, SteeringVectors
from recipes import RECIPES
from settings import SETTINGS, named
from treatments import Method

from langsteer.demo.run import MODEL
from langsteer.engines.transformers.model import Model

CACHE = Path("benchmarks/results/peers")
QUICK = Size(tuning=4, testing=6)


def methods(folder: Path) -> dict[str, Method]:
    """All methods by name, in the order of the table."""
    found: list[Method] = [
        Ours(),
        SteeringVectors(folder),
        Repeng(folder),
        ConceptErasure(folder),
        *(make() for make in RECIPES),
        Prompting("prompting, source", in_target=False),
        Prompting("prompting, target", in_target=True),
        ScriptMask(),
    ]
    return {method.name: method for method in found}


def bench(folder: Path, quick: bool) -> Bench:
    """The bench on the embedded model."""
    return Bench(Model.from_pretrained(str(MODEL)), folder, QUICK if quick else Size())


def main() -> None:
    options = parsed()
    every = methods(options.cache)
    chosen = options.method or list(every)
    wanted = [named(name) for name in options.setting] if options.setting else list(SETTINGS)
    if options.alone:
        here = bench(options.cache, options.quick)
        for setting in wanted:
            result = here.measure(every[chosen[0]], setting)
            print(f"{result.method}, {result.setting}: {result.label}", flush=True)
        return
    for package in PACKAGES:
        environment(package, options.cache)
    here = bench(options.cache, options.quick)
    for name in chosen:
        if not all(here.known(every[name], setting) for setting in wanted):
            subprocess.run(alone(name, options), check=True)
    if options.output is not None:
        results = [
            here.measure(method, setting) for method in every.values() for setting in SETTINGS
        ]
        write(results, options.output)


def alone(name: str, options: argparse.Namespace) -> list[str]:
    """The command that measures one method in a process of its own, for the sake of its memory."""
    command = [sys.executable, __file__, "--alone", "--cache", str(options.cache), "--method", name]
    for setting in options.setting:
        command += ["--setting", setting]
    return [*command, "--quick"] if options.quick else command


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--output", type=Path, help="the Markdown file; its figure goes beside it")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where results are kept")
    parser.add_argument("--method", action="append", default=[], help="this method alone")
    parser.add_argument("--setting", action="append", default=[], help="this setting alone")
    parser.add_argument("--quick", action="store_true", help="a few cases, to try the mechanics")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
