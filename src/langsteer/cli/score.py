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
            help="Languages that the answers may be in. Default: all that can be detected. Fewer "
            "are faster and more reliable.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="TAG", help="Target language of answers that do not name one."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="GROUPING", help="One table for each group, target or pair of the file."
        ),
    ] = "group",
    meaning: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="Metric that stands for meaning in the combined score: judged, contained, exact, "
            "normalised, chrf or similarity. Default: judged, or else contained.",
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="List of English words, one a line. Only these count as wrong words. Default: "
            "every word in Latin script does.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="OpenAI-compatible API for --judge and --embedding. Its key is read from "
            "OPENAI_API_KEY.",
        ),
    ] = None,
    send_key: Annotated[
        bool,
        typer.Option(
            "--send-key",
            help="Send the key also to another machine over http, which is not encrypted.",
        ),
    ] = False,
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Model that rates the answers.")
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Model whose embeddings compare answers with references."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Also write every verdict: JSONL, CSV or TSV."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score answers from any source: language, meaning, degeneration. Needs no model.

    Every metric has a 95 % interval. Within a group, every pair of languages has the same weight.
    """
    from langsteer.cli.scoring import parts_of, print_scores, write_verdicts
    from langsteer.data.files import check_output
    from langsteer.evaluation.score import score_file

    if output is not None:
        check_output(output, inputs=(file, *([] if words is None else [words])))
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
        send_key=send_key,
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
