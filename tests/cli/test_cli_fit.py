"""`langsteer fit` and `inspect`: what they refuse, and what they say."""

import json
from pathlib import Path

import pytest

from commands import run
from langsteer.demo.run import export


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    export(folder)
    rows = [json.loads(row) for row in (folder / "fit.jsonl").read_text().splitlines()]
    few = [row for row in rows if row["language"] in ("de", "en", "ja")][:120]
    text = "".join(json.dumps(row) + "\n" for row in few)
    (folder / "few.jsonl").write_text(text + text)
    return folder


def test_fit_says_how_many_copies_there_were_and_stores_increments(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "s.safetensors"
    fit = ("fit", demo / "model", demo / "few.jsonl", "-o", space, "--pooling", "last", "--json")
    assert run(*fit, "--increments", "2,3", "--from", "en", "--to", "de") == 0
    said = json.loads(capsys.readouterr().out)
    assert sum(said["duplicates"].values()) == 120
    assert said["chat"] is None
    assert said["increments"][0]["layers"] == [2, 3]
    assert said["increments"][0]["pairs"] == [["en", "de"]]
    ask = ("generate", demo / "model", "-s", space, "--from", "en", "a b", "--max-new-tokens", "2")
    assert run(*ask, "--to", "de", "--layer", "2,3") == 0
    capsys.readouterr()
    assert run(*ask, "--to", "ja", "--layer", "2,3") == 2
    assert "--increments 2,3 --from en --to ja" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--increments", "2"], "names one layer"),
        (["--from", "en"], "choose the pairs of --increments"),
        (["--turn", "user"], "need --chat"),
        (["--chat"], "no chat template"),
        (["--chat", "--turn", "system"], "'system' is not a turn"),
        (["--layer", "1,1"], "layer 1 more than once"),
    ],
)
def test_fit_refuses_what_does_not_go_together(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    space = tmp_path / "s"
    assert run("fit", demo / "model", demo / "few.jsonl", "-o", space, *options) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not space.exists()


def test_fit_never_writes_over_its_corpus(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = demo / "few.jsonl"
    before = corpus.read_bytes()
    assert run("fit", demo / "model", corpus, "-o", corpus) == 2
    assert corpus.read_bytes() == before
    assert "overwrite" in capsys.readouterr().err


def test_a_damaged_space_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"\x10" + bytes(60))
    for command in (["inspect", path], ["inspect", tmp_path], ["inspect", tmp_path / "none"]):
        assert run(*command) == 2
        assert "Traceback" not in capsys.readouterr().err
