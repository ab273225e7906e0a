"""What the documentation names is there: options, commands, linked files."""

import re
from pathlib import Path

import pytest
import typer

from langsteer.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = re.compile(r"langsteer (\w+)((?:[^`\n]|\\\n)*)")


def options(command: object) -> set[str]:
    """Every option of a command as it is written."""
    return {name for one in command.params for name in one.opts + one.secondary_opts}  # type: ignore[attr-defined]


COMMANDS = {name: options(one) for name, one in typer.main.get_command(app).commands.items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for name, words in OURS.findall(page.read_text(encoding="utf-8")):
        if name in COMMANDS:
            used = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", words.partition("'")[0]))
            assert used <= COMMANDS[name] | {"--help"}, name


def test_options_of_the_readme_exist() -> None:
    known = set().union(*COMMANDS.values(), {"--help"})
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(?:[a-z]+ )?(--[a-z-]+)", text)) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for script in re.findall(r"\b((?:benchmarks|tools)/[\w/]+\.py)", text):
        assert (ROOT / script).exists(), script
