"""What reaches the terminal: one line for every error, and nothing that can take it over."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from rich.table import Table
from rich.text import Text

import langsteer.cli
from commands import run
from langsteer.cli.command import command_of
from langsteer.cli.options import Loading, numbers
from langsteer.cli.terminal import escaped, out, print_json, printable
from langsteer.errors import LangsteerError

HOSTILE = "\x1b[31mred\x1b[0m \x07 [/red] [bold]x[/] \u202eabc\x9b31m end"
PROGRAM = [sys.executable, "-m", "langsteer"]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command end with this error."""

    def app(**options: object) -> None:
        raise error

    monkeypatch.setattr(langsteer.cli, "app", app)


@pytest.mark.parametrize(
    ("error", "said", "status"),
    [
        (LangsteerError("no [/red] \x1b[2J"), r"error: no [/red] \x1b[2J", 2),
        (MemoryError(), "error: there is not enough memory", 2),
        (RuntimeError("CUDA out of memory. Tried"), "error: there is not enough memory", 2),
        (OSError(28, "No space left on device", "a[b].txt"), "a[b].txt: No space left", 2),
        (ModuleNotFoundError("m", name="matplotlib.axes"), "pip install 'langsteer[report]'", 2),
        (KeyboardInterrupt(), "interrupted", 130),
        (typer.Abort(), "interrupted", 130),
    ],
)
def test_an_error_is_one_message(
    error: BaseException,
    said: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, error)
    assert run("demo") == status
    shown = capsys.readouterr()
    assert said in " ".join(shown.err.split())
    assert not shown.out


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run("demo")


def test_what_is_not_ours_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    out.print(escaped(HOSTILE), soft_wrap=True, highlight=False)
    shown = capsys.readouterr().out
    assert shown == r"\x1b[31mred\x1b[0m \x07 [/red] [bold]x[/] \u202eabc\x9b31m end" + "\n"
    assert printable("a\tb\nc") == "a\tb\nc"


def test_what_nobody_escaped_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("\x1b[2Ja", title="\x9b31m")
    table.add_row(Text("\x1b]0;title\x07"))
    out.print(table)
    out.print("\x1b[2J", markup=False, end="")
    shown = capsys.readouterr().out
    assert not {character for character in shown if character < " "} - {"\n"}
    assert "\x9b" not in shown
    assert shown.endswith(r"\x1b[2J")


def test_wrong_options_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "\x1b[31m[/red]") == 2
    assert r"\x1b[31m[/red]" in capsys.readouterr().err


def test_json_has_no_numbers_that_are_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [math.nan, (math.inf, 1.5)], "b": {"c": -math.inf}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, [None, 1.5]], "b": {"c": None}}


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(encoding: str) -> None:
    value = "ä日\ud800"
    code = (
        "from langsteer.cli.terminal import *\n"
        "write_what_can_be_written()\n"
        f"print_json({value!r})\n"
        f"out.print(escaped({value!r}))\n"
        "err.print('日')\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.decode(encoding).splitlines()
    assert json.loads(first) == value
    assert second == {"cp1252": "ä?", "ascii": "??", "utf-8": "ä日"}[encoding] + r"\ud800"


def test_help_is_shown_in_any_encoding() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*PROGRAM, "evaluate", "--help"], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_reader_that_left_is_no_error() -> None:
    with subprocess.Popen(
        [*PROGRAM, "demo", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        assert not writer.stderr.read()
    assert writer.returncode == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_end_from_outside_leaves_no_half_written_file(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    program = (
        # A job in the background is started with the signal ignored.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import os, time, langsteer.cli as cli\n"
        "from pathlib import Path\n"
        "from langsteer.data.files import write_whole\n"
        "from langsteer.errors import LangsteerError\n"
        "def wait(*_):\n    print('now', flush=True)\n    time.sleep(60)\n"
        "os.fsync = wait\n"
        f"def demo():\n    write_whole(Path({str(tmp_path / 'x')!r}), b'abc', LangsteerError)\n"
        "cli.app.registered_commands.clear()\n"
        "cli.app.command('demo')(cli.command_of(demo))\n"
        "cli.app.command('fit')(cli.command_of(demo))\n"
        "import sys; sys.argv = ['langsteer', 'demo']\ncli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "now\n"
        time.sleep(0.1)
        writer.send_signal(number)
        _, said = writer.communicate(timeout=20)
    assert writer.returncode == status
    assert said == ("interrupted\n" if number == signal.SIGINT else "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", " ", "1,", "-1", "5-3", "a", "1,1", "1-3,2", "1.5", "9" * 9])
def test_layers_that_are_no_list(text: str) -> None:
    with pytest.raises(LangsteerError, match="--layer"):
        numbers(text)


def test_layers_and_ranges() -> None:
    assert numbers(None) is None
    assert numbers("3") == [3]
    assert numbers("5, 1-3") == [5, 1, 2, 3]


def given(function: object, *words: str) -> None:
    """Run a function as a command."""
    app = typer.Typer(add_completion=False)
    app.command()(command_of(function))  # type: ignore[arg-type]
    app(list(words), standalone_mode=False)


def test_a_group_is_options_of_the_command() -> None:
    seen = []

    def command(loading: Loading = Loading(), path: Path = Path("x")) -> None:
        seen.append(loading)

    given(command, "--device", "cpu", "--blocks", "model.layers", "--revision", "main")
    assert seen == [Loading(device="cpu", blocks="model.layers", revision="main")]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_are_finite(value: str) -> None:
    def command(memory: float = 1.0) -> None:
        pytest.fail("it ran")

    with pytest.raises(typer.BadParameter, match="--memory"):
        given(command, "--memory", value)


@pytest.mark.parametrize("seed", ["-1", str(2**64), "1e3", "x"])
def test_seeds_are_those_of_torch(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--seed", seed) == 2
    assert "--seed" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("verify", ""), ("inspect", " "), ("fit", "m", "", "-o", "x")])
def test_an_argument_is_not_empty(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    assert "empty" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"langsteer {langsteer.__version__}\n"


def test_a_path_is_not_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--output", "") == 2
    assert "the path is empty" in capsys.readouterr().err


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typing import Annotated

    monkeypatch.setenv("HOME", str(tmp_path))
    seen = []

    def command(path: Annotated[Path, typer.Option()]) -> None:
        seen.append(path)

    given(command, "--path=~/a")
    assert seen == [tmp_path / "a"]
