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
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="The space that fit wrote.")],
    layer: Annotated[
        int | None,
        typer.Option("--layer", "-l", help="Layer for the languages. Default: see help."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a space: languages, layers, norms of Δ, uncertainty, nearest languages.

    The languages are shown at the operating point's layer, or else at 60 % of the depth.
    """
    from langsteer.cli.tables import inspection, print_inspection
    from langsteer.space.space import Space

    found = inspection(Space.load(space), layer)
    if as_json:
        print_json(found)
    else:
        print_inspection(found, out)
