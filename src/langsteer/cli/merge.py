"""`langsteer merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.options import AsJson


def merge(
    spaces: Annotated[
        list[Path], typer.Argument(metavar="SPACE…", help="Two or more spaces of one model.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the whole.")
    ],
    mergeable: Annotated[
        bool,
        typer.Option(
            "--mergeable",
            help="Keep what a further merge needs: all digits, and of matched means the equations.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Join spaces that were fitted apart into the one that a single reading would have made.

    Parts of one corpus, `fit --part 1/4` to `4/4`, become the whole; so do spaces of different
    texts. What was tuned, trained or fitted as increments is not carried over. A text that is in
    two spaces counts twice.
    """
    from langsteer.cli.tables import show_written
    from langsteer.data.files import check_output
    from langsteer.space.merging import merge as merge_spaces
    from langsteer.space.space import Space

    check_output(output, inputs=spaces)
    whole = merge_spaces([Space.load(space) for space in spaces])
    whole.save(output, mergeable=mergeable)
    show_written(whole, output, as_json=as_json)
