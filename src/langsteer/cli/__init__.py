"""The commands. Thin: each reads its options, calls the library and prints what came back."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer

import langsteer
from langsteer.cli.command import command_of
from langsteer.cli.demo import demo
from langsteer.cli.evaluate import evaluate
from langsteer.cli.export import export
from langsteer.cli.fit import fit
from langsteer.cli.generate import generate
from langsteer.cli.import_ import import_command
from langsteer.cli.inspect import inspect
from langsteer.cli.merge import merge
from langsteer.cli.score import score
from langsteer.cli.serve import serve
from langsteer.cli.terminal import err, escaped, out, printable, write_what_can_be_written
from langsteer.cli.train import train
from langsteer.cli.tune import tune
from langsteer.cli.verify import verify
from langsteer.errors import LangsteerError, missing_extra

USER_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143

app = typer.Typer(
    name="langsteer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Change the output language of a causal language model, inside its residual stream.\n\n"
        "A [bold]space[/bold] holds what was estimated for one model: where its languages lie in "
        "the hidden states of every layer. [bold]fit[/bold] makes one from texts, "
        "[bold]train[/bold] improves it on parallel texts, [bold]tune[/bold] chooses layer, "
        "strength and scope, [bold]generate[/bold] uses it, [bold]evaluate[/bold] measures it. "
        "[bold]demo[/bold] does all of that on a small model "
        "that is part of the package."
    ),
    epilog=(
        "Exit status: 0 done; 1 a check failed; 2 wrong input. Languages are BCP-47 tags (en, zh, "
        "pt-BR). Layers are counted from 0 and mean the output of that decoder layer."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"langsteer {langsteer.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """The options of the program itself."""


for command in (
    demo,
    fit,
    merge,
    train,
    generate,
    inspect,
    tune,
    evaluate,
    export,
    import_command,
    serve,
    score,
    verify,
):
    app.command(command.__name__.removesuffix("_command"))(command_of(command))


def main() -> None:
    """Run the command line; errors for the user become one message and exit status 2."""
    write_what_can_be_written()
    _end_on_sigterm()
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        status = INTERRUPTED
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        _let_go_of_output()
        status = 1
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        err.print(f"[bold red]error:[/bold red] {escaped(message)}", highlight=False)
        status = USER_ERROR
    if status == INTERRUPTED:
        err.print("interrupted", highlight=False)
    sys.exit(status if isinstance(status, int) else 0)


def _message(error: Exception) -> str | None:
    """What to say about an error; None where it is a fault of the program."""
    if isinstance(error, LangsteerError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        missing = missing_extra(error)
        return None if missing is None else str(missing)
    if isinstance(error, MemoryError) or _out_of_memory(error):
        return (
            "there is not enough memory. Use a smaller --dtype, fewer or shorter texts at a time, "
            "or another --device."
        )
    if isinstance(error, OSError) and not isinstance(error, ImportError):
        place = "" if error.filename is None else f"{error.filename}: "
        return f"{place}{error.strerror or error}"
    return _usage(error)


def _out_of_memory(error: Exception) -> bool:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and (
        "DefaultCPUAllocator" in said or "out of memory" in said
    )


def _usage(error: Exception) -> str | None:
    """What typer says about wrong options; the help where there were none at all."""
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.exit(USER_ERROR)  # The help was printed when the error was made.
    message = str(told())
    if context is not None:
        message += f"\n{printable(context.get_usage())} (more with --help)"
    return message


def _end_on_sigterm() -> None:
    """Let a request to end unwind the stack, so that half-written files are removed."""

    def end(number: int, frame: object) -> None:
        sys.exit(TERMINATED)

    try:
        signal.signal(signal.SIGTERM, end)
    except ValueError:
        return  # Not in the main thread, where no signal arrives.


def _let_go_of_output() -> None:
    """Nobody reads any more: what is still buffered goes nowhere, without an error at exit."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
