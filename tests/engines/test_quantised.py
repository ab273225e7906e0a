"""Layers in eight or four bits: the stream between them stays floating, and so does the edit."""

from collections.abc import Callable

import pytest
import torch
from test_steering import assert_as_reference, edit, run, shift
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

import tiny
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.engines.transformers.verify import verify_stream


def model() -> PreTrainedModel:
    return tiny.make("llama")


def dynamic(tmp_path) -> PreTrainedModel:
    """What torch itself has: weights in int8, activations quantised as they come."""
    return torch.ao.quantization.quantize_dynamic(model(), {nn.Linear}, dtype=torch.qint8)


def torchao(tmp_path) -> PreTrainedModel:
    """Weights in int8, by the library that transformers loads such models with."""
    quantization = pytest.importorskip("torchao.quantization")
    from transformers import TorchAoConfig

    model().save_pretrained(tmp_path)
    config = TorchAoConfig(quantization.Int8WeightOnlyConfig())
    return AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=config).eval()


def bitsandbytes(tmp_path) -> PreTrainedModel:
    """Weights in four bits, packed in bytes: their dtype is not that of the stream."""
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig

    tiny.make("llama", hidden_size=64, head_dim=32, intermediate_size=64).save_pretrained(tmp_path)
    config = BitsAndBytesConfig(load_in_4bit=True)
    return AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=config, device_map="cpu"
    ).eval()


@pytest.mark.parametrize("quantised", [dynamic, torchao, bitsandbytes])
def test_verify_holds(quantised: Callable[..., PreTrainedModel], tmp_path) -> None:
    checks = verify_stream(ResidualStream(quantised(tmp_path)))
    assert not [check for check in checks if not check.ok]


@pytest.mark.parametrize("quantised", [dynamic, torchao])
def test_the_change_is_the_shift(quantised: Callable[..., PreTrainedModel], tmp_path) -> None:
    found = quantised(tmp_path)
    assert any("int8" in str(part).lower() for part in found.modules())
    stream, ids = ResidualStream(found), torch.tensor([[5, 6, 7]])
    (before,) = stream.read(ids, None, [1])
    with steering(stream, edit(1, "prompt_last")):
        (after,) = stream.read(ids, None, [1])
    assert torch.equal(after[:, :-1], before[:, :-1])
    torch.testing.assert_close(after[0, -1] - before[0, -1], shift(2).vector)


def test_weights_in_int8_are_steered_as_the_reference_says(tmp_path) -> None:
    stream = ResidualStream(torchao(tmp_path))
    prompts, edits = [[tiny.BOS, 5, 6, 7], [11, 12]], [edit(1, "generated"), edit(2)]
    assert_as_reference(stream, prompts, edits, *run(stream, prompts, edits))
