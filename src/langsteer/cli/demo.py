"""`langsteer demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.options import (
    AsJson,
    out,
    print_json,
)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for what it makes.")
    ] = Path("demo"),
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Seed of the choice of prompts.")] = 0,
) -> None:
    """The main job, end to end, on the embedded model: fit, tune, steer, prove, show.

    Writes the model, the corpus, the prompts, the space and an HTML report to the output folder,
    all in the formats of the other commands. Takes about a minute on two cores, and no network.
    """
    from langsteer.demo.run import run_demo

    found = run_demo(output, seed=seed, quiet=as_json)
    if as_json:
        print_json(found.as_json())
    else:
        found.print(out)
