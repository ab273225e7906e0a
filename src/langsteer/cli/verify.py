"""`langsteer verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from langsteer.cli.options import (
    AsJson,
    Loading,
    ModelName,
    escaped,
    out,
    print_json,
)

CHECK_FAILED = 1


def verify(
    model: ModelName,
    space: Annotated[
        Path | None,
        typer.Option(
            "--space", "-s", metavar="FILE", help="Space whose edits are checked as well."
        ),
    ] = None,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Check that steering is exact on this model. Exits with 1 if any check fails.

    The right decoder layers are found, strength 0 is the unsteered model bit for bit, only the
    selected positions change, and batched and cached runs match single, uncached ones.
    """
    from langsteer.engines.transformers.verify import verify as checks_of
    from langsteer.space.space import Space

    loaded = loading.load(model)
    checks = checks_of(loaded, None if space is None else Space.load(space))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        table = Table("check", "", "what was found")
        for check in checks:
            mark = "[green]ok[/green]" if check.ok else "[bold red]failed[/bold red]"
            table.add_row(check.name, mark, escaped(check.detail))
        out.print(table)
    if not all(check.ok for check in checks):
        raise typer.Exit(CHECK_FAILED)
