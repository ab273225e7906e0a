"""`langsteer demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.options import (
    AsJson,
    Seed,
    escaped,
    out,
    print_json,
)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write to.")
    ] = Path("demo"),
    as_json: AsJson = False,
    seed: Seed = 0,
) -> None:
    """Run everything on the small model in the package: fit, train, tune, steer, evaluate, report.

    Writes the model, its corpora and prompts, the space and an HTML report to the output folder, in
    the same formats as the other commands. Takes about a minute on two cores and needs no network.
    """
    from langsteer.cli.evaluation_tables import results_table
    from langsteer.data.files import check_output
    from langsteer.demo.run import run_demo

    check_output(output / "report" / "report.html")
    found = run_demo(output, seed=seed, quiet=as_json)
    if as_json:
        print_json(found.as_json())
    else:
        evaluation = found.evaluation
        out.print(results_table(evaluation.families, evaluation.point))
        out.print(
            f"{found.seconds:.0f} s; report: [bold]{escaped(found.page)}[/bold]", highlight=False
        )
