"""Checkpoints and adapters with an edit in them compute what the steered model computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

import tiny
from langsteer.edits import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.errors import ModelError, SteeringError
from langsteer.interchange import Origin, export

KINDS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3"]
SIZES = {0: 1.0, 1: 5.0, 2: 0.01}
"""Layer → norm of its vector: of all sizes."""
IDS = torch.tensor([[3, 14, 15, 92, 65, 35, 89, 79]])


def saved(kind: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """A tiny model of this kind as a checkpoint."""
    overrides = {"sliding_window": None} if kind == "mistral" else {}
    model = tiny.make(kind, **overrides).to(dtype)
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


def edit(*layers: int, strength: float = 1.0) -> Edit:
    maps = {}
    for layer in layers:
        vector = torch.randn(tiny.WIDTH, generator=torch.manual_seed(layer))
        maps[layer] = Shift(SIZES[layer] * vector / vector.norm())
    return Edit(maps, strength, Scope(spare_bos=False))


def logits(model: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=IDS).logits
    return found


def steered(folder: Path, given: Edit) -> tuple[Tensor, list[int]]:
    hf = AutoModelForCausalLM.from_pretrained(folder).eval()
    with Model(hf, tiny.tokenizer()) as model, model.steered(given):
        written = hf.generate(IDS, max_new_tokens=8, do_sample=False, pad_token_id=0)
        return logits(hf), written[0].tolist()


@pytest.mark.parametrize("layers", [(1,), (0, 1, 2), (2,)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_edit_is_in_the_weights(kind: str, layers: tuple[int, ...], tmp_path: Path) -> None:
    source = saved(kind, tmp_path / "model")
    given = edit(*layers, strength=0.7)
    found = export(given, tmp_path / "out", "folded", Origin(model=str(source)))
    model, info = AutoModelForCausalLM.from_pretrained(found.files[0], output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    wanted, tokens = steered(source, given)
    plain = logits(AutoModelForCausalLM.from_pretrained(source))
    assert (wanted - plain).abs().max() > 1e-4
    torch.testing.assert_close(logits(model.eval()), wanted, rtol=0, atol=1e-4)
    written = model.generate(IDS, max_new_tokens=8, do_sample=False, pad_token_id=0)
    assert written[0].tolist() == tokens


@pytest.mark.parametrize("kind", KINDS)
def test_with_strength_0_it_is_the_model_bit_for_bit(kind: str, tmp_path: Path) -> None:
    source = saved(kind, tmp_path / "model")
    export(edit(1, strength=0.0), tmp_path / "out", "folded", Origin(model=str(source)))
    one, other = (AutoModelForCausalLM.from_pretrained(at) for at in (source, tmp_path / "out"))
    assert torch.equal(logits(one), logits(other))


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_adapters_share_a_base_that_computes_what_the_model_does(kind: str, tmp_path: Path) -> None:
    source = saved(kind, tmp_path / "model")
    origin = Origin(model=str(source))
    places = {"en-de": edit(0, 1, 2), "en-fr": edit(1, strength=2.0)}
    for name, given in places.items():
        found = export(given, tmp_path / "out" / name, "lora", origin)
        assert (tmp_path / "out" / "base" in found.files) == (name == "en-de")
    base = tmp_path / "out" / "base"
    plain = logits(AutoModelForCausalLM.from_pretrained(source))
    torch.testing.assert_close(
        logits(AutoModelForCausalLM.from_pretrained(base)), plain, rtol=0, atol=1e-5
    )
    for name, given in places.items():
        model = AutoModelForCausalLM.from_pretrained(base)
        adapted = PeftModel.from_pretrained(model, str(tmp_path / "out" / name)).eval()
        wanted, _ = steered(source, given)
        torch.testing.assert_close(logits(adapted), wanted, rtol=0, atol=1e-4)


def test_large_checkpoints_in_several_files_keep_them(tmp_path: Path) -> None:
    source = tmp_path / "model"
    tiny.make("qwen3").save_pretrained(source, max_shard_size="20KB")
    assert len(list(source.glob("*.safetensors"))) > 2
    export(edit(1), tmp_path / "out", "folded", Origin(model=str(source)))
    wanted, _ = steered(source, edit(1))
    found = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "out"))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_in_bfloat16_it_is_rounded_and_says_so(tmp_path: Path) -> None:
    for kind in ("llama", "gemma3"):
        source = saved(kind, tmp_path / kind, torch.bfloat16)
        out = tmp_path / f"{kind}-out"
        found = export(edit(1, 2), out, "folded", Origin(model=str(source)))
        assert any("rounded to bfloat16" in note for note in found.notes)
        model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
        hf = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
        plain = logits(hf)
        with Model(hf, tiny.tokenizer()) as bound, bound.steered(edit(1, 2)):
            change = logits(hf) - plain
        assert (logits(model) - plain - change).norm() < 0.02 * change.norm()


@pytest.mark.parametrize(
    ("kind", "options", "format", "why"),
    [
        ("mistral", {}, "folded", "window of 6 tokens"),
        ("gpt2", {}, "folded", "this model is a gpt2"),
        ("qwen3", {}, "lora", "this model is a qwen3"),
        ("llama", {"hidden_act": "gelu"}, "lora", "use gelu"),
    ],
)
def test_what_cannot_be_exact_is_refused_and_nothing_is_written(
    kind: str, options: dict, format: str, why: str, tmp_path: Path
) -> None:
    tiny.make(kind, **options).save_pretrained(tmp_path / "model")
    with pytest.raises(SteeringError, match=why):
        export(edit(1), tmp_path / "out", format, Origin(model=str(tmp_path / "model")))
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_outputs_that_are_there_and_models_that_are_not_are_refused(tmp_path: Path) -> None:
    source = saved("llama", tmp_path / "model")
    origin = Origin(model=str(source))
    with pytest.raises(SteeringError, match="is there already"):
        export(edit(1), source, "folded", origin)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="no weights as safetensors"):
        export(edit(1), tmp_path / "adapter", "lora", origin)
    (tmp_path / "none").mkdir()
    for format in ("folded", "lora", "lm-eval"):
        with pytest.raises(ModelError, match=r"config\.json|cannot be read"):
            export(edit(1), tmp_path / "x", format, Origin(model=str(tmp_path / "none")))
    config = source / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"rms_norm_eps": 1e-4}))
    export(edit(1), tmp_path / "lora" / "one", "lora", origin)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"rms_norm_eps": 1e-3}))
    with pytest.raises(SteeringError, match="no base of this model"):
        export(edit(1), tmp_path / "lora" / "two", "lora", origin)
