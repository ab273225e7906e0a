"""Binding: the right blocks, checked by running them; reading: the block outputs and no more."""

import copy

import pytest
import torch
from torch import nn

import tiny
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import ModelError


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_the_blocks_of_every_family_are_found(family: str) -> None:
    stream = ResidualStream(tiny.shared(family))
    assert (stream.depth, stream.width) == (tiny.DEPTH, tiny.WIDTH)
    assert stream.layers == tuple(stream.model.get_submodule(stream.path))


def test_what_is_read_is_the_block_output_not_hidden_states() -> None:
    """`hidden_states[i + 1]` is block i's output, but for the last, which is after the norm."""
    model = tiny.shared("llama")
    ids = torch.randint(0, 255, (2, 5))
    read = ResidualStream(model).read(ids, None, [0, 1, 2])
    with torch.no_grad():
        states = model(ids, output_hidden_states=True).hidden_states
    assert torch.equal(read[0], states[1])
    assert torch.equal(read[1], states[2])
    assert not torch.allclose(read[2], states[3])
    with torch.no_grad():
        torch.testing.assert_close(model.model.norm(read[2]), states[3])


def test_what_is_read_can_be_trained_on() -> None:
    """A tensor made in inference mode could not be kept for a backward pass."""
    (latents,) = ResidualStream(tiny.shared("llama")).read(torch.tensor([[1, 2]]), None, [1])
    probe = torch.ones(tiny.WIDTH, requires_grad=True)
    (probe * latents).sum().backward()
    torch.testing.assert_close(probe.grad, latents.sum((0, 1)))


def test_reading_stops_after_the_last_wanted_block() -> None:
    model = tiny.make("llama")
    stream, ran = ResidualStream(model), []
    for index, block in enumerate(stream.layers):
        block.register_forward_hook(lambda *_, index=index: ran.append(index), prepend=True)
    model.lm_head.register_forward_hook(lambda *_: ran.append("head"))
    stream.read(torch.tensor([[1, 2]]), None, [1, 0])
    assert ran == [0, 1]


def test_binding_twice_attaches_the_hooks_once() -> None:
    model = tiny.make("llama")
    ResidualStream(model)
    hooks = len(model.model.layers[0]._forward_hooks)
    ResidualStream(model)
    assert len(model.model.layers[0]._forward_hooks) == hooks == 1


def test_a_deep_copy_is_a_model_of_its_own() -> None:
    """Its hooks and its generate must be those of the copy."""
    model = tiny.make("llama")
    ResidualStream(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.lm_head.weight.zero_()
    ids = torch.tensor([[1, 2, 3]])
    out = twin.generate(ids, max_new_tokens=2, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert out[0, 3:].tolist() == [0, 0]
    assert ResidualStream(twin).hooks is not ResidualStream(model).hooks


def test_training_mode_is_as_it_was() -> None:
    model = tiny.make("llama").train()
    model.lm_head.eval()
    ResidualStream(model)
    assert model.training
    assert model.model.layers[0].training
    assert not model.lm_head.training


@pytest.mark.parametrize("layer", [-1, 3])
def test_a_layer_outside_the_model_is_an_error(layer: int) -> None:
    stream = ResidualStream(tiny.shared("llama"))
    with pytest.raises(ModelError, match=f"layer {layer} is outside the model, which has 3 layers"):
        stream.read(torch.tensor([[1]]), None, [layer])


def test_a_path_that_is_no_block_list_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"'model\.norm' is not a list .* are model\.layers"):
        ResidualStream(tiny.shared("llama"), layers="model.norm")


class Streams(nn.Module):
    """A block that keeps several streams per token."""

    def forward(self, hidden: torch.Tensor, **_: object) -> torch.Tensor:
        return hidden[:, :, None].expand(-1, -1, 4, -1)


class Narrow(nn.Module):
    """What comes after, so that the model itself still runs."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden[:, :, 0]


def test_several_streams_per_token_are_refused_by_name() -> None:
    model = tiny.make("llama", num_hidden_layers=1)
    model.model.layers[0] = Streams()
    model.model.norm = Narrow()
    with pytest.raises(ModelError, match=r"LlamaForCausalLM .* several streams per token"):
        ResidualStream(model)


def test_blocks_that_run_out_of_order_are_refused() -> None:
    model = tiny.make("llama")
    model.model.layers[2] = model.model.layers[0]
    with pytest.raises(ModelError, match="not once each in index order"):
        ResidualStream(model)
