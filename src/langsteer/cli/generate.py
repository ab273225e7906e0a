"""`langsteer generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from langsteer.cli.chat_options import ChatTemplate
from langsteer.cli.options import (
    AsJson,
    Loading,
    ModelName,
    Override,
    SeedOrNone,
    SpaceFile,
    out,
    print_json,
    printable,
)
from langsteer.errors import LangsteerError

if TYPE_CHECKING:
    from langsteer.engines.transformers.answers import Answer
    from langsteer.engines.transformers.chat import Messages


def generate(
    model: ModelName,
    space: SpaceFile,
    to: Annotated[str, typer.Option(metavar="TAG", help="The language to answer in.")],
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT…", help="What to answer.")
    ] = None,
    messages: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Conversations to answer: JSON or JSON lines with a list of messages each.",
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TAG",
            help="The language in which the model would answer. auto: the one that its hidden "
            "states show for the words of the prompt.",
        ),
    ] = "auto",
    override: Override = Override(),
    template: ChatTemplate = ChatTemplate(),
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 128,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw tokens at random instead of the likeliest.")
    ] = False,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="With --sample. 0 is the same as no --sample.")
    ] = 1.0,
    top_p: Annotated[float, typer.Option(max=1.0, help="With --sample.")] = 1.0,
    seed: SeedOrNone = None,
    guard: Annotated[
        bool,
        typer.Option("--guard", help="Steer only while the model is in another language."),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Print the unsteered answer beside the steered one.")
    ] = False,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Answer in another language. One prompt is streamed; several share batches.

    Layer, strength, scope and estimator default to the operating point that tune stored in the
    space. A space that was not tuned is used at 60 % of the model's depth with strength 1.
    """
    from langsteer.engines.transformers.answers import AnswerOptions, answer_in
    from langsteer.engines.transformers.generation import Events, Generation

    asked = _asked(prompts, messages)
    chat = template.options()
    generation = Generation(max_new_tokens, sample, temperature, top_p, seed)
    loaded, fitted = loading.load_with(space, model)
    options = AnswerOptions(
        None if source == "auto" else source,
        override.point(fitted),
        generation,
        chat,
        guard,
        compare,
    )
    streams = len(asked) == 1 and not as_json and not compare
    events = Events(on_text=_show if streams else None)
    answers = answer_in(loaded, fitted, asked, to, options, events=events)
    if as_json:
        print_json([one.as_json() for one in answers])
        return
    if streams:
        out.print()
    for one in answers:
        if not streams:
            _print(one, out)
        if one.acted is not None:
            out.print(f"the guard acted at {100 * one.acted:.0f} % of the positions in scope")


def _asked(prompts: list[str] | None, messages: Path | None) -> list[str | Messages]:
    """The prompts and the conversations, at least one of them."""
    found: list[str | Messages] = [*(prompts or ())]
    if messages is not None:
        from langsteer.data.messages import read_messages

        found += read_messages(messages)
    if not found:
        raise LangsteerError("There is nothing to answer. Give a prompt, or --messages FILE.")
    return found


def _show(text: str) -> None:
    out.print(printable(text), end="", markup=False, highlight=False, soft_wrap=True)


def _print(answer: Answer, console: Console) -> None:
    """The answer, or both answers side by side."""
    from langsteer.text.tags import display_name

    if answer.unsteered is None:
        console.print(Text(printable(answer.steered)))
        return
    table = Table(show_lines=True, expand=True)
    table.add_column(f"unsteered ({display_name(answer.source)})", ratio=1)
    table.add_column(f"steered ({display_name(answer.target)})", ratio=1)
    texts = (answer.unsteered, answer.steered)
    table.add_row(*(Text(printable(text.strip())) for text in texts))
    console.print(table)
