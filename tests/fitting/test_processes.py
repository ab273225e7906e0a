"""Several processes read what one would have read, and a process that dies ends the run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny
from commands import run
from langsteer.fitting.processes import Processes
from langsteer.space.space import Space

pytestmark = pytest.mark.slow
WORDS = {"de": "die Zahl", "fr": "le nombre", "en": "the number"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and parallel texts in several chunks."""
    folder = tmp_path_factory.mktemp("processes")
    model, corpus = folder / "model", folder / "c.jsonl"
    tiny.make("llama").save_pretrained(model)
    tiny.tokenizer().save_pretrained(model)
    rows = [
        {"text": f"{said} {number * number}", "language": language, "concept": str(number)}
        for number in range(600)
        for language, said in WORDS.items()
    ]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return model, corpus


def same(one: Space, other: Space, rounding: float = 1e-7) -> None:
    assert one.corpus == other.corpus or one.corpus.name != other.corpus.name
    assert one.corpus.texts == other.corpus.texts
    assert one.dropped == other.dropped
    for layer in one.layers:
        means = one.statistics.means(layer), other.statistics.means(layer)
        torch.testing.assert_close(*means, rtol=rounding, atol=rounding)
    effects = one.statistics.alignment.solution(), other.statistics.alignment.solution()
    torch.testing.assert_close(*effects, rtol=rounding, atol=rounding)


def torchrun(count: int, *command: object) -> tuple[int, str, str]:
    """The exit status of so many processes, and what they said on both streams."""
    whole = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    with subprocess.Popen(
        [*whole, str(count), "-m", "langsteer", *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as many:
        try:
            said, problems = many.communicate(timeout=150)
        finally:
            if many.poll() is None:
                os.killpg(many.pid, signal.SIGKILL)
    return many.returncode, said, problems


@pytest.mark.parametrize(("count", "pooling"), [(2, "matched"), (4, "tokens")])
def test_several_processes_equal_one(
    count: int, pooling: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    model, corpus = files
    alone, together = tmp_path / "alone.safetensors", tmp_path / "together.safetensors"
    assert run("fit", model, corpus, "-o", alone, "--pooling", pooling, "--json") == 0
    status, said, problems = torchrun(
        count, "fit", model, corpus, "-o", together, "--pooling", pooling
    )
    assert status == 0, problems
    assert said.count("wrote") == 1, "the first process alone speaks"
    same(Space.load(alone), Space.load(together))
    assert {one.name for one in tmp_path.iterdir()} == {alone.name, together.name}


def test_a_model_that_is_divided_equals_the_whole(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, corpus = tmp_path / "model", files[1]
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 2}
    tiny.make("llama", **sizes).save_pretrained(model)
    tiny.tokenizer().save_pretrained(model)
    alone, divided = tmp_path / "alone.safetensors", tmp_path / "divided.safetensors"
    assert run("fit", model, corpus, "-o", alone, "--limit", 30, "--json") == 0
    options = ("--limit", 30, "--device-map", "tensor-parallel")
    status, said, problems = torchrun(2, "fit", model, corpus, "-o", divided, *options)
    assert status == 0, problems
    assert said.count("wrote") == 1
    one, other = Space.load(alone), Space.load(divided)
    same(one, other, rounding=1e-4)
    assert one.model.weights == other.model.weights


def test_a_model_cannot_be_divided_over_one_process(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, corpus = files
    space = tmp_path / "s.safetensors"
    assert run("fit", model, corpus, "-o", space, "--device-map", "tensor-parallel") == 2
    assert "torchrun --nproc-per-node" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("pooling", ["tokens", "matched"])
def test_parts_that_are_read_apart_are_merged(
    pooling: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    model, corpus = files
    whole = tmp_path / "whole.safetensors"
    assert run("fit", model, corpus, "-o", whole, "--pooling", pooling, "--json") == 0
    parts = [tmp_path / f"{part}.safetensors" for part in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        options = ("--pooling", pooling, "--part", f"{number}/3", "--json")
        assert run("fit", model, corpus, "-o", part, *options) == 0
    merged = tmp_path / "merged.safetensors"
    assert run("merge", *parts, "-o", merged, "--json") == 0
    same(Space.load(whole), Space.load(merged))


def test_a_process_that_dies_ends_the_run(files: tuple[Path, Path], tmp_path: Path) -> None:
    """One that cannot read the corpus: the other does not wait for it, and nothing is written."""
    model, corpus = files
    broken = tmp_path / "broken.jsonl"
    broken.write_text(corpus.read_text().replace("die Zahl 1600", "<pad></s>"))
    space = tmp_path / "s.safetensors"
    status, _, problems = torchrun(2, "fit", model, broken, "-o", space)
    assert status != 0
    assert "has no tokens" in " ".join(problems.split())
    assert not space.exists()


def test_one_process_alone_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with Processes.joined() as processes:
        assert processes == Processes(0, 1)
        processes.wait()
        assert processes.own(Path("a")) == Path("a")
    assert Processes(1, 4).own(Path("a")) == Path("a.2-of-4")
