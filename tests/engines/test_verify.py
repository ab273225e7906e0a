"""Verify passes on sound models, and each of its checks fails where the thing it checks is broken.

What is broken is the package itself, one way at a time: the model stays sound throughout.
"""

from dataclasses import replace

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.edits.edit import Edit
from langsteer.edits.scope import Scope, Window
from langsteer.engines.transformers import batch
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.engines.transformers.verify import verify, verify_stream
from langsteer.fitting.fit import fit


def failed(stream: ResidualStream) -> set[str]:
    return {check.name for check in verify_stream(stream) if not check.ok}


def llama() -> ResidualStream:
    return ResidualStream(tiny.shared("llama"))


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "mamba", "bloom"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sound_models_pass(family: str, dtype: torch.dtype) -> None:
    checks = verify_stream(ResidualStream(tiny.shared(family, dtype)))
    assert len(checks) == 7
    assert all(check.ok for check in checks), checks


def test_blocks_that_were_replaced_after_binding_are_noticed() -> None:
    stream = ResidualStream(tiny.make("llama"))
    stream.model.model.layers[1] = tiny.make("llama", seed=1).model.layers[1]
    assert "layers" in failed(stream)


def test_strength_zero_that_moves_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    add = batch._add
    monkeypatch.setattr(Edit, "idle", property(lambda edit: not edit.maps))
    monkeypatch.setattr(batch, "_add", lambda *given: add(*given) + 1e-3)
    assert failed(llama()) == {"strength 0"}


def test_a_strength_zero_that_is_only_close_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subtract and add again: equal to rounding, and not bit for bit."""
    apply = batch.BatchEdit.apply

    def roundabout(self, forward, layer, hidden):
        there = apply(self, forward, layer, hidden)
        return (there + 3.7) - 3.7

    monkeypatch.setattr(Edit, "idle", property(lambda edit: not edit.maps))
    monkeypatch.setattr(batch.BatchEdit, "apply", roundabout)
    assert "strength 0" in failed(llama())


def test_an_edit_outside_its_scope_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch.BatchEdit, "_select", lambda *_: True)
    assert "positions" in failed(llama())


def test_an_edit_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch.BatchEdit, "apply", lambda self, forward, layer, hidden: hidden)
    assert failed(llama()) == {"positions", "unsteered rows", "first generated token"}


def test_a_hook_that_is_gone_is_noticed() -> None:
    stream = ResidualStream(tiny.make("llama"))
    stream.layers[2]._forward_hooks.clear()
    assert failed(stream) == {"positions"}


def test_a_row_that_takes_its_neighbours_edit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from langsteer.engines.transformers import steered as context

    per_row = context.per_row
    monkeypatch.setattr(context, "per_row", lambda *given: per_row(*given)[:1] * given[1])
    assert failed(llama()) == {"unsteered rows"}


def scaled(monkeypatch: pytest.MonkeyPatch, factor) -> None:
    """Let the strength of every edit depend on the forward pass it is part of."""
    apply = batch.BatchEdit.apply

    def wrong(self, forward, layer, hidden):
        return hidden + factor(forward) * (apply(self, forward, layer, hidden) - hidden)

    monkeypatch.setattr(batch.BatchEdit, "apply", wrong)


def test_an_edit_that_depends_on_padding_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled(monkeypatch, lambda forward: forward.prompt.columns / 6)
    assert failed(llama()) == {"batch equals single"}


def test_an_edit_that_depends_on_the_cache_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled(monkeypatch, lambda forward: 2.0 if forward.length == 1 else 1.0)
    assert failed(llama()) == {"cached equals uncached"}


def test_a_first_token_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Scope.parse
    late = Scope((Window("end", 0, None),), spare_bos=False)
    monkeypatch.setattr(Scope, "parse", lambda text: late if text == "generated" else parse(text))
    assert "first generated token" in failed(llama())


def test_a_space_of_another_model_is_noticed() -> None:
    texts = [Text(text, tag, "0") for text, tag in [("ja", "de"), ("oui", "fr")]]
    one, other = (
        Model(model, tiny.tokenizer(), name="tiny")
        for model in (tiny.shared("llama"), tiny.shared("gpt2"))
    )
    space = fit(one, Corpus(tuple(texts), "two"))
    assert all(check.ok for check in verify(one, space))
    (wrong,) = [check for check in verify(other, space) if not check.ok]
    assert wrong.name == "space"
    assert "does not fit the model" in wrong.detail
    assert all(check.ok for check in verify(one, replace(space, operating_point=None)))


def test_experts_round_by_what_they_compute_together_and_that_is_said() -> None:
    """Mixture models compute the rows of a batch together: their rounding is not our edit."""
    for seed in range(3):
        checks = verify_stream(ResidualStream(tiny.make("mixtral", seed=seed)))
        assert all(check.ok for check in checks), checks
