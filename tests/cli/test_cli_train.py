"""`langsteer train`: what it writes, what it refuses, and what is used afterwards."""

import json
from pathlib import Path

import pytest

import tiny
from commands import run
from langsteer.space.space import Space

WORDS = {"de": "abc bca cab acb bac cba aab", "fr": "xyz yzx zxy xzy yxz zyx xxy"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A model, parallel texts and a space."""
    model, corpus, space = tmp_path / "model", tmp_path / "c.jsonl", tmp_path / "s.safetensors"
    tiny.make("llama").save_pretrained(model)
    tiny.tokenizer().save_pretrained(model)
    rows = [
        {"text": word, "language": language, "concept": str(number)}
        for language, words in WORDS.items()
        for number, word in enumerate(words.split())
    ]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("fit", model, corpus, "-o", space, "--json") == 0
    return model, corpus, space


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_training_writes_the_space_and_becomes_what_is_used(
    files: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, corpus, space = files
    capsys.readouterr()
    options = ("--steps", 8, "--batch", 4, "--layer", "0,1", "--learning-rate", 0.02)
    assert run("train", model, corpus, "-s", space, *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"] == [0, 1]
    assert found["steps"] == 8
    assert not space.with_name(f"{space.name}.training").exists()
    point = Space.load(space).operating_point
    assert point is not None
    assert (point.estimator, point.layers, point.scope) == ("trained", (0, 1), "prompt")
    ask = ("generate", model, "-s", space, "--from", "de", "--to", "fr", "a", "--max-new-tokens", 2)
    assert run(*ask) == 0
    assert run(*ask, "--estimator", "difference") == 0
    assert run(*ask, "--layer", "1") == 2
    assert "langsteer train … --layer 1" in said(capsys)
    assert run("inspect", space, "--json") == 0
    assert json.loads(capsys.readouterr().out)["trained"]["layers"] == [0, 1]
    assert run("inspect", space) == 0
    assert "trained" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shape", "row"], "'row' is none of the known values of shape"),
        (["--objective", "x"], "known values of objective"),
        (["--layer", "9"], "layer 9"),
        (["--from", "de", "--to", "de"], "no pair of languages"),
        (["--scope", "nowhere"], "not a scope"),
        (["--chat"], "no chat template"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(
    files: tuple[Path, Path, Path],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    model, corpus, space = files
    before = space.read_bytes()
    assert run("train", model, corpus, "-s", space, *options) == 2
    assert message in said(capsys)
    assert space.read_bytes() == before
