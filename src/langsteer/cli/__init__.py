"""The commands. Thin: each reads its options, calls the library and prints what came back."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from langsteer.cli.demo import demo
from langsteer.cli.evaluate import evaluate
from langsteer.cli.fit import fit
from langsteer.cli.generate import generate
from langsteer.cli.inspect import inspect
from langsteer.cli.score import score
from langsteer.cli.tune import tune
from langsteer.cli.verify import verify
from langsteer.errors import LangsteerError

USER_ERROR = 2
INTERRUPTED = 130

err = Console(stderr=True)

app = typer.Typer(
    name="langsteer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Change the output language of a causal language model, inside its residual stream.\n\n"
        "A [bold]space[/bold] holds what was estimated for one model: where its languages lie in "
        "the latents of every block. [bold]fit[/bold] makes one from texts, [bold]tune[/bold] "
        "chooses layer, strength and scope, [bold]generate[/bold] uses it, [bold]evaluate[/bold] "
        "proves it. [bold]demo[/bold] does all of that on a small model that comes along."
    ),
    epilog=(
        "Exit status: 0 done; 1 a check failed; 2 wrong input. Languages are BCP-47 tags (en, zh, "
        "pt-BR). Layers are outputs of decoder blocks, counted from 0."
    ),
)
for command in (demo, fit, generate, inspect, tune, evaluate, score, verify):
    app.command()(command)


def main() -> None:
    """Run the command line; errors for the user become one message and exit status 2."""
    try:
        app()
    except LangsteerError as error:
        err.print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        err.print("interrupted; nothing was left half-written")
        sys.exit(INTERRUPTED)
