"""A command that lacks an optional package says the one line that installs it."""

import tomllib
from pathlib import Path

import pytest

from blocked import python
from langsteer.errors import EXTRAS, LangsteerError, MissingExtraError, optional_imports


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_package_names_its_extra(extra: str) -> None:
    module = EXTRAS[extra][0]
    said = rf"pip install 'langsteer\[{extra}\]'"
    with pytest.raises(MissingExtraError, match=said), optional_imports():
        raise ModuleNotFoundError(module, name=f"{module}.inner")
    assert issubclass(MissingExtraError, LangsteerError)


def test_other_missing_modules_are_not_hidden() -> None:
    with pytest.raises(ModuleNotFoundError, match="ours"), optional_imports():
        raise ModuleNotFoundError("ours", name="langsteer.ours")


def test_the_extras_are_those_of_the_package() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    declared = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    assert set(declared) == {*EXTRAS, "all", "dev", "vllm"}  # the last has its own environment
    assert declared["all"] == [f"langsteer[{','.join(EXTRAS)}]"]


def test_scoring_without_the_extra_says_how_to_install_it(tmp_path: Path) -> None:
    answers = tmp_path / "a.jsonl"
    answers.write_text('{"answer": "Das ist ein Satz.", "target": "de"}\n')
    code = f"sys.argv = ['langsteer', 'score', {str(answers)!r}]\n"
    code += "from langsteer.cli import main\nmain()"
    done = python(code, *EXTRAS["eval"])
    assert done.returncode == 2
    assert " ".join(done.stderr.split()).endswith("pip install 'langsteer[eval]'")
    assert "Traceback" not in done.stderr
