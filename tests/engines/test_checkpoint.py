"""What comes from a checkpoint is whole, or one line says which file is not and what to do."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import tiny
from blocked import python
from langsteer.engines.transformers import checkpoint
from langsteer.engines.transformers.checkpoint import Checkpoint, load_checkpoint, pick_device
from langsteer.engines.transformers.model import Model
from langsteer.errors import ModelError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 8679408\n"
JSON_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
WEIGHTS = "model.safetensors"
CPU = Checkpoint(device="cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "whole"
    tiny.make("llama").save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def one_line(folder: Path | str, options: Checkpoint = CPU) -> str:
    """The message with which this checkpoint is refused."""
    with pytest.raises(ModelError) as caught:
        load_checkpoint(folder, options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def loads_or_one_line(folder: Path) -> None:
    """What is wrong may not matter to this model; anything but a `ModelError` is a traceback."""
    with suppress(ModelError):
        load_checkpoint(folder, CPU)


def merge(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_every_weight_is_that_of_the_checkpoint(model: Path) -> None:
    loaded, _ = load_checkpoint(model, CPU)
    held = load_file(model / WEIGHTS)
    assert all(torch.equal(loaded.state_dict()[name], held[name]) for name in held)
    assert not loaded.training


def test_tied_weights_are_not_missing(tmp_path: Path) -> None:
    tiny.make("llama", tie_word_embeddings=True).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    load_checkpoint(tmp_path, CPU)


def test_a_home_folder_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(model.parent))
    load_checkpoint("~/model", CPU)


@pytest.mark.parametrize("name", [*JSON_FILES, WEIGHTS])
def test_a_pointer_is_called_one(model: Path, name: str) -> None:
    (model / name).write_text(POINTER)
    message = one_line(model)
    assert name in message
    assert "git lfs pull" in message


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda held: b"",
    "cut": lambda held: held[: len(held) // 2],
    "pickle": lambda held: b"\x80\x04\x95\x0b\x00\x00\x00",
    "null": lambda held: b"null",
    "list": lambda held: b"[]",
    "deep": lambda held: b"[" * 100_000,
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", [*JSON_FILES, WEIGHTS])
def test_a_damaged_file_is_named(model: Path, name: str, how: str) -> None:
    path = model / name
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    assert name in one_line(model)


@pytest.mark.parametrize("value", [None, 0, -1, "16", 1.5, [], {}, True, 10**12])
@pytest.mark.parametrize(
    "field", ["num_attention_heads", "num_hidden_layers", "hidden_size", "vocab_size", "head_dim"]
)
def test_wrong_values_of_a_configuration_are_never_a_traceback(
    model: Path, field: str, value: object
) -> None:
    merge(model / "config.json", **{field: value})
    loads_or_one_line(model)


@pytest.mark.parametrize("field", ["model_type", "architectures", "rope_scaling", "dtype"])
@pytest.mark.parametrize("value", [None, 3, "nothing", ["x"], {"rope_type": 1}])
def test_wrong_kinds_in_a_configuration_are_never_a_traceback(
    model: Path, field: str, value: object
) -> None:
    merge(model / "config.json", **{field: value})
    loads_or_one_line(model)


@pytest.mark.parametrize("field", ["model", "added_tokens", "decoder", "pre_tokenizer"])
@pytest.mark.parametrize("value", [3, "nothing", ["x"], {"type": "none"}])
def test_a_wrong_tokenizer_is_never_a_traceback(model: Path, field: str, value: object) -> None:
    merge(model / "tokenizer.json", **{field: value})
    loads_or_one_line(model)


def test_a_tokenizer_that_cannot_be_made_is_called_one(model: Path) -> None:
    merge(model / "tokenizer.json", model=3)
    assert "tokenizer" in one_line(model)


def test_missing_weights_are_named(model: Path) -> None:
    held = load_file(model / WEIGHTS)
    gone = "model.layers.1.mlp.up_proj.weight"
    save_file({k: v for k, v in held.items() if k != gone}, model / WEIGHTS, {"format": "pt"})
    assert gone in one_line(model)


def test_weights_of_another_shape_are_named(model: Path) -> None:
    held = load_file(model / WEIGHTS)
    name = "model.layers.1.mlp.up_proj.weight"
    held[name] = held[name][:3].clone()
    save_file(held, model / WEIGHTS, {"format": "pt"})
    message = one_line(model)
    assert name in message
    assert "[3, 16]" in message


def test_weights_that_are_not_asked_for_are_a_warning(model: Path) -> None:
    merge(model / "config.json", num_hidden_layers=2)
    with pytest.warns(UserWarning, match=r"model\.layers\.2\..*not used"):
        load_checkpoint(model, CPU)


def test_missing_shards_are_named(whole: Path, tmp_path: Path) -> None:
    loaded, tokenizer = load_checkpoint(whole, CPU)
    loaded.save_pretrained(tmp_path, max_shard_size="20KB")
    tokenizer.save_pretrained(tmp_path)
    load_checkpoint(tmp_path, CPU)
    shard = min(tmp_path.glob("model-*.safetensors"))
    shard.unlink()
    assert shard.name in one_line(tmp_path)
    shard.write_text(POINTER)
    assert "git lfs pull" in one_line(tmp_path)


def test_pickled_weights_are_read_and_pickled_code_is_not_run(model: Path) -> None:
    torch.save(load_file(model / WEIGHTS), model / "pytorch_model.bin")
    (model / WEIGHTS).unlink()
    load_checkpoint(model, CPU)
    torch.save({"x": Path}, model / "pytorch_model.bin")
    one_line(model)


def test_a_folder_without_weights_says_so(model: Path) -> None:
    (model / WEIGHTS).unlink()
    assert "no weights" in one_line(model)


def test_other_folders_and_files_are_not_models(tmp_path: Path, model: Path) -> None:
    assert "config.json" in one_line(tmp_path)
    assert "no model folder" in one_line(tmp_path / "nothing")
    assert "is a file" in one_line(model / "config.json")


@pytest.fixture
def adapter(model: Path, tmp_path: Path) -> Path:
    base, _ = load_checkpoint(model, CPU)
    adapted = get_peft_model(
        base, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    )
    adapted.peft_config["default"].base_model_name_or_path = str(model)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_is_merged_into_its_base(adapter: Path, model: Path) -> None:
    base, _ = load_checkpoint(model, CPU)
    merged, _ = load_checkpoint(adapter, CPU)
    given = load_file(adapter / "adapter_model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    first, second = (given[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    scale = json.loads((adapter / "adapter_config.json").read_text())["lora_alpha"] / 2
    change = merged.get_submodule(name).weight - base.get_submodule(name).weight
    assert torch.allclose(change, scale * second @ first, atol=1e-5)
    assert Model(merged, tiny.tokenizer()).depth == tiny.DEPTH


def test_an_adapter_that_cannot_be_used_is_called_one(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = adapter / "adapter_model.safetensors"
    held = load_file(weights)
    config = adapter / "adapter_config.json"
    kept = config.read_text()
    merge(config, peft_type="PREFIX_TUNING")
    assert "virtual tokens" in one_line(adapter)
    merge(config, base_model_name_or_path=None)
    assert "base_model_name_or_path" in one_line(adapter)
    config.write_text(kept)
    save_file(dict(list(held.items())[1:]), weights)
    assert "lacks weights" in one_line(adapter)
    weights.unlink()
    assert "adapter" in one_line(adapter)
    monkeypatch.setattr(checkpoint, "_installed", lambda package: package != "peft")
    assert "pip install peft" in one_line(adapter)


def write_gguf(path: Path, model: Path) -> None:
    """The tiny model as llama.cpp writes one: other names, and rows of q and k in other order."""
    held, config = load_file(model / WEIGHTS), json.loads((model / "config.json").read_text())
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    tokens.append("ab")
    tokens += [f"<unused{i}>" for i in range(len(tokens), config["vocab_size"])]
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(tiny.CONTEXT)
    out.add_embedding_length(tiny.WIDTH)
    out.add_block_count(tiny.DEPTH)
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(config["num_attention_heads"])
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_rope_dimension_count(8)
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_vocab_size(config["vocab_size"])
    out.add_tokenizer_model("gpt2")
    out.add_token_list(tokens)
    out.add_token_merges(["a b"])
    out.add_bos_token_id(tiny.BOS)
    out.add_eos_token_id(tiny.EOS)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, tiny.DEPTH)
    for name, weight in held.items():
        for part, heads in (("q_proj", 2), ("k_proj", 1)):
            if part in name:
                split = weight.view(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
                weight = split.transpose(1, 2).reshape(weight.shape)  # noqa: PLW2901
        renamed = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert renamed
        out.add_tensor(renamed, weight.numpy().astype(np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def test_a_gguf_file_is_the_model_it_was_made_from(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, model)
    loaded, _ = load_checkpoint(path, CPU)
    for name, weight in load_file(model / WEIGHTS).items():
        assert torch.allclose(loaded.state_dict()[name], weight), name
    loaded.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert "quantization_config" not in config


def test_a_gguf_file_that_cannot_be_read_is_one_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    assert "no model folder" in one_line(path)
    write_gguf(path, model)
    assert str(path) in one_line(tmp_path)  # the folder holds no config.json, but this
    held = path.read_bytes()
    path.write_bytes(held[: len(held) // 2])
    one_line(path)
    path.write_bytes(b"GGUF")
    one_line(path)
    path.write_bytes(b"")
    assert "empty" in one_line(path)
    path.write_text(POINTER)
    assert "git lfs pull" in one_line(path)
    path.write_bytes(held)
    monkeypatch.setattr(checkpoint, "_installed", lambda package: package != "gguf")
    assert "pip install gguf" in one_line(path)


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps", "meta", "xpu", "toaster", ""])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    if name.startswith("cuda") and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ModelError, match="device"):
        pick_device(name)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "int8", "nothing", "float4"])
def test_a_data_type_to_compute_in(model: Path, name: str) -> None:
    assert "data type" in one_line(model, Checkpoint(device="cpu", dtype=name))


def test_a_device_and_a_map_exclude_each_other() -> None:
    with pytest.raises(ModelError, match="device_map"):
        Checkpoint(device="cpu", device_map="auto")


def test_a_model_may_be_spread(model: Path) -> None:
    loaded, _ = load_checkpoint(model, Checkpoint(device_map="cpu"))
    assert loaded.device.type == "cpu"


def test_offline_a_mistyped_name_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in one_line("org/a-model-that-is-not")
    assert "not a name" in one_line("org name") or "no folder" in one_line("org name")


OFFLINE = """
import time
from langsteer import Model
begin = time.monotonic()
try:
    Model.from_pretrained("org/a-model-that-is-not")
except Exception as error:
    print(type(error).__name__, time.monotonic() - begin < 15, "cannot be reached" in str(error))
"""


@pytest.mark.slow
def test_a_hub_that_is_not_reached_costs_seconds_and_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    done = python(OFFLINE)
    assert done.stdout.split() == ["ModelError", "True", "True"], done
    assert not done.stderr
