"""`langsteer generate`."""

from __future__ import annotations

from typing import Annotated

import typer

from langsteer.cli.options import (
    AsJson,
    Loading,
    ModelName,
    Override,
    SpaceFile,
    out,
    print_json,
)


def generate(
    model: ModelName,
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT…", help="What to answer.")],
    space: SpaceFile,
    to: Annotated[str, typer.Option(metavar="TAG", help="The language to answer in.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TAG",
            help="The language it would answer in; auto: the one that the stream is in at the end "
            "of the prompt.",
        ),
    ] = "auto",
    override: Override = Override(),
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Length of the answer.")] = 128,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw tokens instead of the best.")
    ] = False,
    temperature: Annotated[float, typer.Option(min=0.0, help="With --sample.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="With --sample.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="With --sample.")] = None,
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--plain", help="Use the chat template. Default: if there is one."),
    ] = None,
    guard: Annotated[
        bool,
        typer.Option("--guard", help="Steer only while the stream is in another language."),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Print the unsteered answer beside the steered one.")
    ] = False,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Answer in another language. Streams one prompt; several share batches.

    Layer, strength, scope and estimator default to the operating point in the space. A space
    without one is used at the block at 60 % of the depth, strength 1, scope all.
    """
    from langsteer.cli.answering import Request, answer

    loaded, fitted = loading.load_with(space, model)
    request = Request(
        target=to,
        source=None if source == "auto" else source,
        point=override.point(fitted),
        max_new_tokens=max_new_tokens,
        sample=sample,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        chat=chat,
        compare=compare,
        guard=guard,
    )
    streams = len(prompts) == 1 and not as_json and not compare
    shown = (
        (lambda text: out.print(text, end="", markup=False, highlight=False)) if streams else None
    )
    answers = answer(loaded, fitted, prompts, request, on_text=shown)
    if as_json:
        print_json([one.as_json() for one in answers])
    elif streams:
        out.print()
        answers[0].print_guard(out)
    else:
        for one in answers:
            one.print(out)
