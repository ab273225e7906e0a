"""`langsteer tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from langsteer.cli.chat_options import ChatTemplate
from langsteer.cli.options import (
    AsJson,
    Languages,
    Loading,
    ModelName,
    Seed,
    SpaceFile,
    escaped,
    numbers,
    out,
    print_json,
    prompts_from,
    tags,
)


def tune(
    model: ModelName,
    space: SpaceFile,
    prompts: Annotated[
        Path,
        typer.Option(
            "--prompts", "-p", metavar="FILE", help="Tuning prompts. Keep others for testing."
        ),
    ],
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            "--layer",
            "-l",
            metavar="I[,I…]",
            help="Layers to try, counted from 0. Default: the most promising third, judged by the "
            "statistics in the space.",
        ),
    ] = None,
    scopes: Annotated[
        str, typer.Option(metavar="SCOPE[,SCOPE…]", help="Scopes to try.")
    ] = "all,generated",
    estimators: Annotated[
        str, typer.Option(metavar="NAME[,NAME…]", help="Estimators to try.")
    ] = "difference",
    rank_by: Annotated[
        str,
        typer.Option(
            metavar="auto|answers|forcing",
            help="What ranks the candidates: their answers, or teacher forcing, which needs "
            "prompts that stand in several languages with the same concepts, and takes answers "
            "only to confirm. auto: forcing where there are enough such prompts.",
        ),
    ] = "auto",
    budget: Annotated[
        int, typer.Option(min=1, help="About how many tokens to generate in all.")
    ] = 50_000,
    languages: Languages = None,
    per_pair: Annotated[
        int | None,
        typer.Option(min=1, help="Use at most this many prompts per task and pair. Default: all."),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 48,
    template: ChatTemplate = ChatTemplate(),
    seed: Seed = 0,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Choose the layer, scope, estimator and strength that work best on tuning prompts.

    Where prompts stand in several languages, candidates are ranked by teacher forcing, and answers
    confirm the best. Otherwise many are screened on a few prompts, the best are re-tested on many,
    and then the strength is searched. The choice is written into the space with its evidence, and
    so is a separate choice for each pair of languages that clearly needs one. Answers are logged in
    SPACE.tuning.jsonl until the end: after an interruption, the same command resumes from there and
    arrives at the same choice.
    """
    from langsteer.cli.tables import print_trials, trials_as_json
    from langsteer.data.files import check_output
    from langsteer.evaluation.runner import Asking
    from langsteer.tuning import TuningOptions, tune_space

    check_output(space)
    loaded, fitted = loading.load_with(space, model)
    journal = space.with_name(f"{space.name}.tuning.jsonl")
    options = TuningOptions(
        layers=numbers(layers),
        scopes=[name.strip() for name in scopes.split(",")],
        estimators=[name.strip() for name in estimators.split(",")],
        languages=tags(languages, fitted.languages),
        per_pair=per_pair,
        ranking=cast(Any, rank_by),
        budget=budget,
        asking=Asking(max_new_tokens, template.options()),
        split=prompts.stem,
        journal=journal,
        quiet=as_json,
        seed=seed,
    )
    tuned = tune_space(loaded, fitted, prompts_from(prompts), options)
    fitted.with_operating_point(tuned.point).save(space)
    journal.unlink(missing_ok=True)
    if as_json:
        print_json(trials_as_json(tuned))
    else:
        print_trials(tuned, out)
        out.print(f"\nwrote the operating point into [bold]{escaped(space)}[/bold]")
