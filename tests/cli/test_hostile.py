"""Names and answers that hold markup or control characters are shown as they are."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import tiny
from commands import run

HOSTILE = "a[/red]\x1b[31m[bold]b"
SHOWN = r"a[/red]\x1b[31m[bold]b"
TEXTS = [("ab ba", "en"), ("ba ab", "en"), ("bb aa", "de"), ("aa bb ab", "de")]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Everything that was shown, in one piece."""
    shown = capsys.readouterr()
    assert "\x1b[31m" not in shown.out + shown.err
    return "".join((shown.out + shown.err).split())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "m[/red][x]"
    tiny.make("llama", 0).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "news[de].jsonl"
    rows = [json.dumps({"text": text, "language": language}) for text, language in TEXTS]
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_files_and_models(
    model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "s[/b].safetensors"
    assert run("fit", model, corpus, "-o", space) == 0
    shown = said(capsys)
    assert "news[de]" in shown
    assert "m[/red][x]" in shown
    assert "s[/b].safetensors" in shown
    assert run("inspect", space) == 0
    assert "m[/red][x]" in said(capsys)
    assert run("verify", model, "-s", space) == 0
    words = ("generate", model, "-s", space, "--to", "de", "--from", "en", "--plain")
    length = ("--max-new-tokens", "3")
    assert run(*words, *length, f"ab {HOSTILE}", f"ba {HOSTILE}", "--compare") == 0
    assert run(*words, *length, f"ab {HOSTILE}") == 0
    said(capsys)


def test_answers_that_models_write(
    model: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transformers import PreTrainedTokenizerBase

    def decode(_: object, token_ids: Sequence[object], **__: object) -> str | list[str]:
        many = len(token_ids) > 0 and isinstance(token_ids[0], Sequence)
        return [HOSTILE for _ in token_ids] if many else HOSTILE

    monkeypatch.setattr(PreTrainedTokenizerBase, "decode", decode)
    space = tmp_path / "s.safetensors"
    assert run("fit", model, corpus, "-o", space) == 0
    said(capsys)
    words = ("generate", model, "-s", space, "--to", "de", "--from", "en", "--plain")
    for more in (["ab"], ["ab", "ba"], ["ab", "--compare"]):
        assert run(*words, "--max-new-tokens", "3", *more) == 0
        assert SHOWN in said(capsys)


@pytest.mark.parametrize("name", ["s", "s[/red][x]\x1b[31m"])
def test_what_is_no_space(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", tmp_path / name) == 2
    assert name.replace("\x1b", r"\x1b") in said(capsys)


def test_groups_and_languages_of_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a[red].jsonl"
    rows = [
        {"answer": f"Das ist ein kurzer Satz. {HOSTILE}", "target": "de", "group": HOSTILE},
        {"answer": "This is a short sentence.", "target": "en", "group": "[/]"},
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert run("score", file, "--languages", "de,en", "-o", tmp_path / "o[red].jsonl") == 0
    shown = said(capsys)
    assert SHOWN in shown
    assert "o[red].jsonl" in shown
    file.write_text(json.dumps({"answer": "x", "target": HOSTILE}))
    assert run("score", file) == 2
    assert r"\x1b[31m" in said(capsys)
