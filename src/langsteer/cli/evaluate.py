"""`langsteer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.chat_options import ChatTemplate
from langsteer.cli.options import (
    AsJson,
    Languages,
    Loading,
    ModelName,
    Override,
    SpaceFile,
    escaped,
    out,
    print_json,
    prompts_from,
    tags,
)


def evaluate(
    model: ModelName,
    space: SpaceFile,
    prompts: Annotated[
        Path,
        typer.Option(
            "--prompts",
            "-p",
            metavar="PATH",
            help="Test prompts: JSONL, a folder of CLaS-Bench questions, or the test sets of the "
            "language confusion benchmark.",
        ),
    ],
    languages: Languages = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TAG",
            help="Language that the model wrongly answers in, for the language confusion "
            "benchmark. Default: en.",
        ),
    ] = None,
    override: Override = Override(),
    per_pair: Annotated[
        int | None,
        typer.Option(min=1, help="Use at most this many prompts per task and pair. Default: all."),
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            "--condition",
            metavar="NAME[,NAME…]",
            help="Controls to run beside the steered answers: unsteered, random, prompted, or one "
            "that is not run by default. Default: those three.",
        ),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 48,
    template: ChatTemplate = ChatTemplate(),
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FOLDER", help="Write an HTML report there.")
    ] = None,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Measure on held-out prompts whether the language changed and the meaning stayed.

    Steered answers are compared with three controls: the unsteered model, a random change of the
    same norm, and a request in the prompt to answer in the language. Every number has an interval.
    A second table holds code switching, repetition, perplexity and other metrics, a third what
    steering costs where it should do nothing. Only that third table uses prompts whose references
    are one list for all languages.
    """
    from langsteer.cli.evaluation_tables import print_evaluation
    from langsteer.data.files import check_output
    from langsteer.evaluation.evaluate import EvaluationOptions, chosen
    from langsteer.evaluation.evaluate import evaluate as measure

    if report is not None:
        check_output(report / "report.html", inputs=(prompts, space))
    names = None if conditions is None else [one.strip() for one in conditions.split(",")]
    chosen(names)
    loaded, fitted = loading.load_with(space, model)
    options = EvaluationOptions(
        languages=tags(languages, fitted.languages),
        per_pair=per_pair,
        conditions=names,
        max_new_tokens=max_new_tokens,
        chat=template.options(),
        quiet=as_json,
    )
    asked = prompts_from(prompts, source)
    found = measure(loaded, fitted, asked, override.point(fitted), options)
    page = None if report is None else found.write(report)
    if as_json:
        print_json(found.as_json() | ({} if page is None else {"report": str(page)}))
    else:
        print_evaluation(found, out)
        if page is not None:
            out.print(f"\nreport: [bold]{escaped(page)}[/bold]", highlight=False)
