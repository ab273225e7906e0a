"""`langsteer train`."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from langsteer.cli.chat_options import ChatTemplate
from langsteer.cli.corpus_options import CorpusColumns
from langsteer.cli.fit import pairs_of
from langsteer.cli.options import (
    AsJson,
    Languages,
    Layers,
    Loading,
    ModelName,
    Seed,
    SpaceFile,
    escaped,
    numbers,
    out,
    print_json,
    tags,
)


def train(
    model: ModelName,
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="Parallel texts (with --continuation any, any texts): JSONL, CSV or TSV file, or "
            "a folder with one text file per language, aligned by line. Texts of one document "
            "should follow one another.",
        ),
    ],
    space: SpaceFile,
    languages: Languages = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="TAG[,TAG…]", help="Only from these languages.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="TAG[,TAG…]", help="Only to these languages.")
    ] = None,
    layers: Layers = None,
    shape: Annotated[
        str,
        typer.Option(
            help="What has a vector. roles: each language as a source and as a target; languages: "
            "each language, and a pair is the target's less the source's; targets: each target, "
            "for any source; pairs: each pair."
        ),
    ] = "roles",
    objective: Annotated[
        str,
        typer.Option(
            help="likelihood: what follows in the target language becomes likely; distillation: "
            "the model comes to say what it says by itself after the translated prompt."
        ),
    ] = "likelihood",
    freedom: Annotated[
        str,
        typer.Option(
            help="What is trained of each vector: all of its coordinates, or its strengths, one "
            "number for each layer."
        ),
    ] = "coordinates",
    continuation: Annotated[
        str | None,
        typer.Option(
            help="What follows a text. next: the next text of the corpus; own: what the model says "
            "by itself after the translated text; any: any text in the target language, for texts "
            "that are no translations. Default: own with --chat, else next."
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What stands between a text and what follows it. Default: a line break; nothing "
            "with --chat.",
        ),
    ] = None,
    scope: Annotated[
        str,
        typer.Option(
            help="Positions to edit. What is generated is in the target language already."
        ),
    ] = "prompt",
    steps: Annotated[int, typer.Option(min=1, help="The most steps.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Texts in one step.")] = 32,
    rate: Annotated[
        float,
        typer.Option(
            "--learning-rate",
            help="How far a coordinate moves in the first step, in units of its usual size.",
        ),
    ] = 0.06,
    same_language: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share of texts that are asked for in their own language, so that it is left as "
            "it is. With the shapes roles and targets.",
        ),
    ] = 0.0,
    checkpointing: Annotated[
        bool,
        typer.Option(
            "--checkpointing", help="Take less memory and a third more time, for large models."
        ),
    ] = False,
    columns: CorpusColumns = CorpusColumns(),
    template: ChatTemplate = ChatTemplate(chat=False),
    seed: Seed = 0,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Train the vectors of a space on parallel texts, with the model's weights left as they are.

    They start at the difference of means, and go down the gradient of what the steered model makes
    of the texts. What is trained is written into the space and used for its pairs from then on. The
    state is kept in SPACE.training until the end: after an interruption, the same command goes on
    from there and arrives at the same vectors.
    """
    from langsteer.data.files import check_output
    from langsteer.training import TrainingOptions
    from langsteer.training.run import train as train_space

    check_output(space)
    texts = columns.read(corpus)
    loaded, fitted = loading.load_with(space, model)
    if languages is not None:
        texts = texts.select(tags(languages, fitted.languages))
    chat = template.options()
    options = TrainingOptions(
        layers=numbers(layers),
        shape=cast(Any, shape),
        objective=cast(Any, objective),
        freedom=cast(Any, freedom),
        continuation=cast(Any, continuation or ("own" if chat.enabled else "next")),
        separator="\n" if separator is None else separator,
        chat=chat,
        scope=scope,
        steps=steps,
        batch=batch,
        learning_rate=rate,
        same_language=same_language,
        checkpointing=checkpointing,
        seed=seed,
    )
    both = tuple(one for one in fitted.languages if one in texts.languages)
    pairs = None if source is None and target is None else pairs_of(both, source, target)
    state = space.with_name(f"{space.name}.training")
    trained = train_space(loaded, fitted, texts, options, pairs, state=state, progress=not as_json)
    trained.save(space)
    state.unlink(missing_ok=True)
    found = cast(Any, trained.trained)
    if as_json:
        print_json({"space": str(space), "layers": list(found.layers), **found.record})
        return
    record = found.record
    out.print(
        f"{record['texts']} texts, {record['steps']} steps. Loss on {record['held_out']} held-out "
        f"texts, nats a token: {record['loss_unsteered']:.3f} unsteered, "
        f"{record['loss_before']:.3f} at the start (Δ), {record['loss_after']:.3f} trained.",
        highlight=False,
    )
    out.print(f"\nwrote [bold]{escaped(space)}[/bold]", highlight=False)
