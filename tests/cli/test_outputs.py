"""An output that cannot be written is noticed before any work, and no input is overwritten."""

from pathlib import Path

import pytest

from commands import run

ROW = '{"text": "ab", "language": "en", "answer": "ab", "target": "en"}\n'


def commands(file: Path, output: Path) -> dict[str, tuple[object, ...]]:
    """Each command that writes, with a model that does not exist: it fails first for its output."""
    prompts = ("none", "--space", "none", "--prompts", file)
    return {
        "fit": ("fit", "none", file, "-o", output),
        "score": ("score", file, "-o", output),
        "evaluate": ("evaluate", *prompts, "--report", output),
        "demo": ("demo", "-o", output),
    }


@pytest.mark.parametrize("command", ["fit", "score", "evaluate", "demo"])
def test_an_output_that_cannot_be_written(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.jsonl"
    file.write_text(ROW)
    output = file / "below-a-file"
    assert run(*commands(file, output)[command]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot be written" in said
    assert "below-a-file" in said.replace(" ", "")


@pytest.mark.parametrize("command", ["fit", "score"])
def test_an_output_over_its_input(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.jsonl"
    file.write_text(ROW)
    link = tmp_path / "link.jsonl"
    link.symlink_to(file)
    for output in (file, link):
        assert run(*commands(file, output)[command]) == 2
        assert "would overwrite" in " ".join(capsys.readouterr().err.split())
    assert file.read_text() == ROW
