"""Whoever asks for an edit gets it, or an error: threads, contexts, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Thread

import pytest
import torch
from torch import Tensor, nn

import tiny
from langsteer.edits import Edit
from langsteer.edits.maps import Shift
from langsteer.engines.transformers.model import Model
from langsteer.errors import ModelError, SteeringError

IDS = torch.tensor([[1, 2, 3, 4]])


def model() -> Model:
    return Model(tiny.make("llama"), tiny.tokenizer(), name="tiny")


def edit() -> Edit:
    return Edit({1: Shift(torch.full((16,), 0.5))})


def logits(bound: Model) -> Tensor:
    with torch.inference_mode():
        return bound.hf(IDS).logits.clone()


def in_thread(bound: Model) -> Tensor:
    found: list[Tensor] = []
    thread = Thread(target=lambda: found.append(logits(bound)))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_that_a_block_starts_is_steered_while_the_block_is_open() -> None:
    bound = model()
    plain = logits(bound)
    with bound.steered(edit()):
        here = logits(bound)
        there = in_thread(bound)
    assert torch.equal(here, there)
    assert not torch.equal(here, plain)
    assert torch.equal(in_thread(bound), plain)


def test_a_thread_that_outlives_its_block_is_not_steered_any_more() -> None:
    bound = model()
    plain = logits(bound)
    with ThreadPoolExecutor(1) as pool:
        with bound.steered(edit()):
            inside = pool.submit(logits, bound).result()
        after = pool.submit(logits, bound).result()
    assert not torch.equal(inside, plain)
    assert torch.equal(after, plain)


def test_work_in_an_older_thread_is_an_error_and_not_unsteered() -> None:
    bound = model()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(logits, bound).result()
        with pytest.raises(SteeringError, match="no edit was made"), bound.steered(edit()):
            pool.submit(logits, bound).result()
        plain = logits(bound)
        with bound.steered(edit()):
            there = pool.submit(copy_context().run, logits, bound).result()
        assert not torch.equal(there, plain)


def test_other_threads_are_left_alone() -> None:
    bound = model()
    plain = logits(bound)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(logits, bound).result()
        with bound.steered(edit()):
            logits(bound)
            assert torch.equal(pool.submit(logits, bound).result(), plain)


def test_a_block_in_which_nothing_runs_is_no_error() -> None:
    bound, other = model(), model()
    with bound.steered(edit()):
        logits(other)


def test_a_generator_that_another_context_goes_on_with_is_an_error() -> None:
    bound = model()

    def steps() -> Iterator[Tensor]:
        with bound.steered(edit()):
            yield logits(bound)
            yield logits(bound)

    generator = steps()
    copy_context().run(next, generator)
    with pytest.raises(SteeringError, match="context"):
        list(generator)


def test_guidance_in_the_models_own_settings_is_refused() -> None:
    bound = model()
    bound.hf.generation_config.guidance_scale = 2.0
    with pytest.raises(SteeringError, match="guidance"), bound.steered(edit()):
        bound.hf.generate(IDS, max_new_tokens=2)
    assert bound.generate("ab", edit()) == bound.generate("ab", edit())


def test_adapters_with_virtual_tokens_are_refused() -> None:
    class Prefix:
        is_prompt_learning = True

    bare = tiny.make("llama")
    bare.peft_config = {"default": Prefix()}
    with pytest.raises(ModelError, match="virtual tokens"):
        Model(bare, tiny.tokenizer())


def hooks_of(module: nn.Module) -> int:
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in module.modules())


def test_closing_leaves_the_model_as_it_was() -> None:
    bare = tiny.make("llama")
    before = set(vars(bare)), hooks_of(bare)
    with Model(bare, tiny.tokenizer()) as bound:
        assert hooks_of(bare) > before[1]
        changed = bound.generate("ab", edit())
    assert (set(vars(bare)), hooks_of(bare)) == before
    again = Model(bare, tiny.tokenizer(), layers="model.layers")
    assert again.generate("ab", edit()) == changed


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["copy", "pickle"]
)
def test_a_copy_of_a_bound_model_is_unsteered_and_can_be_bound(copied: object) -> None:
    bound = model()
    twin = copied(bound.hf)  # type: ignore[operator]
    with bound.steered(edit()):
        steered = logits(bound)
        with torch.inference_mode():
            alone = twin(IDS).logits
        assert twin.generate(IDS, max_new_tokens=2, do_sample=False).shape == (1, 6)
    assert torch.equal(alone, logits(bound))
    second = Model(twin, tiny.tokenizer())
    with second.steered(edit()):
        assert torch.equal(logits(second), steered)
