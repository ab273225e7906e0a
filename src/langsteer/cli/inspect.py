"""`langsteer inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.options import (
    AsJson,
    out,
    print_json,
)


def inspect(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="Space written by langsteer fit.")],
    layer: Annotated[
        int | None,
        typer.Option(
            "--layer",
            "-l",
            help="Layer at which languages are compared. Default: the operating point's, else 60 % "
            "of the depth.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a space holds: its languages, layers and how precisely differences are known."""
    from langsteer.cli.tables import inspection, print_inspection
    from langsteer.space.space import Space

    found = inspection(Space.load(space), layer)
    if as_json:
        print_json(found)
    else:
        print_inspection(found, out)
