from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import tiny
from langsteer.edits import Edit, Scope
from langsteer.edits.maps import Diagonal, Shift
from langsteer.errors import SteeringError
from langsteer.interchange import Origin, export
from langsteer.interchange.export import EXPORTERS


def edit(**options: object) -> Edit:
    vectors = {layer: Shift(torch.randn(8, generator=torch.manual_seed(layer))) for layer in (1, 3)}
    return Edit(vectors, **options)  # type: ignore[arg-type]


def test_plain_tensors_come_back_bit_for_bit_with_the_strength_folded_in(tmp_path: Path) -> None:
    given = edit(strength=0.5)
    found = export(given, tmp_path / "de.pt")
    read = torch.load(tmp_path / "de.pt", weights_only=True)
    assert set(read) == {1, 3}
    for layer, vector in read.items():
        assert torch.equal(vector, 0.5 * given.maps[layer].vector)  # type: ignore[attr-defined]
    assert found.files == (tmp_path / "de.pt", tmp_path / "de.json")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (edit(scope=Scope.parse("generated")), "--scope all"),
        (edit(restore_norm=True), "restore_norm"),
        (Edit({0: Diagonal(torch.ones(8), torch.ones(8))}), "diagonal"),
        (edit(scope=Scope(excluded=frozenset({3}))), "by tokens"),
        (Edit({}), "no layer"),
    ],
)
@pytest.mark.parametrize("name", EXPORTERS)
def test_what_a_format_cannot_say_is_refused_and_nothing_is_written(
    given: Edit, why: str, name: str, tmp_path: Path
) -> None:
    if name == "easysteer" and not given.scope.by_token and given.scope != Scope():
        export(given, tmp_path / "file", name)
        return
    with pytest.raises(SteeringError, match=why):
        export(given, tmp_path / "file", name)
    assert not list(tmp_path.iterdir())


def test_a_format_is_named_or_shown_by_the_suffix(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match="suffix"):
        export(edit(), tmp_path / "de.bin")
    with pytest.raises(SteeringError, match="Did you mean pt"):
        export(edit(), tmp_path / "de.bin", "ptt")


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    assert any("beginning-of-sequence" in note for note in export(edit(), tmp_path / "a.pt").notes)


@pytest.mark.parametrize("name", ["all", "prompt", "prompt_last", "generated"])
def test_easysteer_is_told_the_scope(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    export(edit(scope=Scope.parse(name)), tmp_path / "v.gguf", "easysteer")
    (vector,) = json.loads((tmp_path / "v.json").read_text())["steering"]["vectors"]
    assert vector["layers"] == [1, 3]
    assert ("generation" in vector["apply"]) == (name in ("all", "generated"))
    assert vector["apply"].get("prompt") == ("all" if name in ("all", "prompt") else None)


@pytest.mark.parametrize(("family", "where"), [("llama", "layers"), ("gpt2", "h")])
def test_lm_eval_is_told_the_place(family: str, where: str, tmp_path: Path) -> None:
    tiny.make(family).save_pretrained(tmp_path / "model")
    given = edit(strength=2.0)
    export(given, tmp_path / "v.pt", "lm-eval", Origin(model=str(tmp_path / "model")))
    read = torch.load(tmp_path / "v.pt", weights_only=True)
    assert set(read) == {f"{where}.1", f"{where}.3"}
    found = read[f"{where}.3"]
    assert torch.equal(found["steering_vector"], 2 * given.maps[3].vector)  # type: ignore[attr-defined]
    assert (found["action"], found["bias"], found["steering_coefficient"]) == ("add", None, 1.0)


def test_an_edit_exports_itself(tmp_path: Path) -> None:
    found = edit().export(tmp_path / "v.pt", model_type="llama")
    assert json.loads(found.files[1].read_text())["model_type"] == "llama"
