"""`langsteer score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from langsteer.cli.options import (
    AsJson,
    escaped,
    out,
    print_json,
)
from langsteer.errors import LangsteerError


def score(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSON lines or a table with [bold]answer[/bold] and [bold]target[/bold], outputs "
            "of the language confusion benchmark, results of CLaS-Bench, or a folder of these.",
        ),
    ],
    languages: Annotated[
        str | None,
        typer.Option(
            metavar="TAG[,TAG…]",
            help="Languages that answers may be in. Default: all that can be told. Fewer are "
            "faster and more certain.",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TAG", help="Target of answers that name none.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="Numbers for each group of the file, each target, or each pair.")
    ] = "group",
    meaning: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="What is meaning in the combined score: judged, contained, exact, normalised, "
            "chrf or similarity. Default: judged or else contained.",
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="English words, one a line: only they are errors by word. Default: all Latin "
            "words are.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="OpenAI-compatible API for --judge and --embedding. Key: OPENAI_API_KEY.",
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Let this model rate the answers.")
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Compare embeddings of answers and references."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Verdicts: JSONL, CSV or TSV."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score answers that were made elsewhere: language, meaning, degeneration. Needs no model.

    Every metric has a 95 % interval. Within a group every pair of languages weighs the same.
    """
    from langsteer.cli.scoring import parts_of, print_scores, write_verdicts
    from langsteer.data.files import check_output
    from langsteer.evaluation.score import score_file

    if output is not None:
        check_output(output, inputs=(file,))
    if by not in ("group", "target", "pair"):
        raise LangsteerError(f"--by {by!r} is unknown. Use group, target or pair.")
    measured = score_file(
        file,
        languages=None if languages is None else languages.split(","),
        to=to,
        words=words,
        endpoint=endpoint,
        judge=judge,
        embedding=embedding,
    )
    parts = parts_of(measured, cast(Any, by), meaning)
    if output is not None:
        write_verdicts(measured, output)
    if as_json:
        print_json([part.as_json() for part in parts])
    else:
        print_scores(parts, out, meaning)
        if output is not None:
            out.print(f"wrote [bold]{escaped(output)}[/bold]", highlight=False)
