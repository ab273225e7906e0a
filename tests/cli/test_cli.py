"""The commands: what they print, what they write, and what they say to wrong input."""

import json
import sys
from pathlib import Path

import pytest
import torch

import tiny
from commands import run

TEXTS = [("ab ba", "en"), ("ba ab", "en"), ("bb aa", "de"), ("aa bb ab", "de")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model on disk, in the usual layout."""
    return saved(tmp_path_factory.mktemp("model"), 0)


def saved(folder: Path, seed: int) -> Path:
    tiny.make("llama", seed).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("corpus") / "texts.jsonl", TEXTS)


def written(path: Path, texts: list[tuple[str, str]]) -> Path:
    rows = [json.dumps({"text": text, "language": language}) for text, language in texts]
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(scope="module")
def space(model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "space.safetensors"
    assert run("fit", model, corpus, "-o", path, "--json") == 0
    return path


def error_of(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a failing command says on standard error, on one line; it prints nothing else."""
    capsys.readouterr()
    assert run(*words) == 2
    said = capsys.readouterr()
    assert not said.out
    return " ".join(said.err.split())


def test_fit_reports_languages_and_layers(
    model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.safetensors"
    capsys.readouterr()
    assert run("fit", model, corpus, "-o", path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["language"] for one in found["languages"]] == ["de", "en"]
    assert [one["texts"] for one in found["languages"]] == [2, 2]
    assert [one["layer"] for one in found["layers"]] == list(range(len(found["layers"])))
    assert list(tmp_path.iterdir()) == [path]


def test_inspect_prints_tables(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", space) == 0
    said = capsys.readouterr().out
    assert "German" in said
    assert "predicted cosine" in said


def test_generate_at_strength_zero_is_the_unsteered_model(
    model: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("generate", model, "--space", space, "--to", "de", "--from", "en", "ab", "--plain")
    capsys.readouterr()
    assert run(*words, "--compare", "--json", "--strength", "0", "--max-new-tokens", "8") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["steered"] == found["unsteered"]
    assert run(*words, "--compare", "--json", "--strength", "60", "--max-new-tokens", "8") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["steered"] != found["unsteered"]


def test_one_prompt_is_streamed(
    model: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("generate", model, "-s", space, "--to", "de", "--from", "en", "ab", "--plain")
    capsys.readouterr()
    assert run(*words, "--max-new-tokens", "6", "--json") == 0
    whole = json.loads(capsys.readouterr().out)[0]["steered"]
    assert run(*words, "--max-new-tokens", "6") == 0
    assert capsys.readouterr().out.strip() == whole.strip()


def test_a_guard_says_how_often_it_acted(
    model: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("generate", model, "-s", space, "--to", "de", "--from", "en", "ab", "--plain")
    capsys.readouterr()
    assert run(*words, "--guard", "--json", "--max-new-tokens", "6") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert 0 <= found["acted"] <= 1
    assert run(*words, "--guard", "--max-new-tokens", "6") == 0
    assert "the guard acted at" in capsys.readouterr().out
    assert run(*words, "--json", "--max-new-tokens", "6") == 0
    assert "acted" not in json.loads(capsys.readouterr().out)[0]


def test_help_comes_without_loading_torch() -> None:
    import subprocess

    code = (
        "import sys; sys.argv = ['langsteer', '--help']\n"
        "from langsteer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
    assert b"evaluate" in done.stdout


def test_no_such_model(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = error_of(capsys, "fit", tmp_path / "none", corpus, "-o", tmp_path / "s")
    assert "no model folder" in said


def test_no_such_corpus(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = error_of(capsys, "fit", model, tmp_path / "none.jsonl", "-o", tmp_path / "s")
    assert "none.jsonl" in said


def test_a_corpus_with_one_language(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "c.jsonl", [("ab", "en"), ("ba", "en")])
    said = error_of(capsys, "fit", model, path, "-o", tmp_path / "s")
    assert "1 language(s) (en)" in said
    assert not (tmp_path / "s").exists()


def test_an_empty_text(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "c.jsonl", [("ab", "en"), ("", "de")])
    said = error_of(capsys, "fit", model, path, "-o", tmp_path / "s")
    assert "c.jsonl:2" in said


@pytest.mark.parametrize("tag", ["german", "Deutsch"])
def test_a_misspelt_language_is_answered_with_the_nearest(
    model: Path, space: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(capsys, "generate", model, "-s", space, "--to", tag, "ab")
    assert tag in said
    assert "Did you mean 'de'" in said


def test_a_layer_outside_the_model(
    model: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(
        capsys, "generate", model, "-s", space, "--to", "de", "--from", "en", "-l", "99", "ab"
    )
    assert "99" in said


def test_a_space_from_another_model(
    space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = saved(tmp_path, 1)
    said = error_of(capsys, "generate", other, "-s", space, "--to", "de", "ab")
    assert "does not fit" in said


def test_nan_in_the_latents(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tiny.make("llama", 0)
    with torch.no_grad():
        broken.model.layers[1].mlp.down_proj.weight.fill_(float("nan"))
    broken.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    said = error_of(capsys, "fit", tmp_path, corpus, "-o", tmp_path / "s")
    assert "layer 1" in said
    assert not (tmp_path / "s").exists()


def test_a_prompt_longer_than_the_context(
    model: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "ab " * 5000
    said = error_of(
        capsys, "generate", model, "-s", space, "--to", "de", "--from", "en", "--plain", long
    )
    assert "context" in said


def test_a_truncated_space(
    model: Path, space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(space.read_bytes()[:-100])
    said = error_of(capsys, "generate", model, "-s", cut, "--to", "de", "ab")
    assert "cut short" in said


def test_layers_that_are_no_numbers(
    model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(capsys, "fit", model, corpus, "-o", tmp_path / "s", "--layer", "first")
    assert "'first'" in said


def test_an_unknown_pooling(
    model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(capsys, "fit", model, corpus, "-o", tmp_path / "s", "--pooling", "max")
    assert "'max'" in said


def test_verify_passes_on_a_sound_model(
    model: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("verify", model, "--space", space, "--json") == 0
    checks = json.loads(capsys.readouterr().out)
    assert len(checks) > 3
    assert all(check["ok"] for check in checks)
    assert run("verify", model) == 0
    assert "model.layers" in capsys.readouterr().out


def test_verify_fails_with_one_where_a_check_fails(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import langsteer.engines.transformers.verify

    broken = langsteer.engines.transformers.verify.Check("strength 0", False, "differs by 1")
    monkeypatch.setattr(
        langsteer.engines.transformers.verify, "verify", lambda loaded, space: [broken]
    )
    assert run("verify", model) == 1
    assert "failed" in capsys.readouterr().out
