"""Teacher forcing: what follows costs what the model itself says, alone or in a batch."""

import pytest
import torch
from torch import Tensor

import tiny
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.training.forcing import Forced, Head, negative_log_likelihood

ITEMS = [
    ((tiny.BOS, 5, 6), (7, 8)),
    ((tiny.BOS, 9), (10, 11, 12, 13)),
    ((tiny.BOS, 14, 15, 16, 17, 18), (19,)),
]
FAMILIES = ["llama", "gemma2", "gpt2", "bloom", "mixtral"]


def bound(family: str) -> Model:
    return Model(tiny.shared(family), tiny.tokenizer(), name=family)


def alone(model: Model, prompt: tuple[int, ...], following: tuple[int, ...]) -> float:
    """The same by the model's own logits, token by token."""
    with torch.no_grad():
        logits = model.hf(torch.tensor([[*prompt, *following]])).logits[0].double()
    scores = logits.log_softmax(-1)
    start = len(prompt) - 1
    return -sum(float(scores[start + i, token]) for i, token in enumerate(following))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_item_costs_what_it_costs_alone(family: str) -> None:
    model = bound(family)
    found = negative_log_likelihood(model, ITEMS, rows=2)
    wanted = torch.tensor([alone(model, *item) for item in ITEMS], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scope", ["all", "prompt", "generated", "prompt_last"])
def test_edits_act_on_their_rows_and_positions_alone(scope: str) -> None:
    model = bound("llama")
    generator = torch.Generator().manual_seed(0)
    edit = Edit({1: Shift(torch.randn(tiny.WIDTH, generator=generator))}, scope=Scope.parse(scope))
    found = negative_log_likelihood(model, ITEMS, [edit, None, edit])
    wanted = []
    for item, mine in zip(ITEMS, (edit, None, edit), strict=True):
        prompt = {"input_ids": torch.tensor([item[0]])}
        with model.steered(mine, prompt=prompt):
            wanted.append(alone(model, *item))
    torch.testing.assert_close(
        found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-4, atol=1e-4
    )
    plain = negative_log_likelihood(model, ITEMS)
    assert found[1] == pytest.approx(float(plain[1]))
    assert abs(found[0] - plain[0]) > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_of_some_tokens_is_the_whole_one_among_them(family: str) -> None:
    model = bound(family)
    tokens = torch.tensor([19, 7, 8, 10, 11, 12, 13, 40])
    batch = Forced.of(model, ITEMS)
    some, whole = Head(model, tokens), Head(model)
    assert some.restricted
    with torch.no_grad():
        mine, every = some.log_probabilities(batch), whole.log_probabilities(batch)
    chosen: Tensor = every[:, tokens.sort().values]
    torch.testing.assert_close(mine, chosen.log_softmax(-1), rtol=1e-4, atol=1e-4)
    at = tokens.sort().values[some.places(batch)]
    assert at.tolist() == batch.targets[batch.targets >= 0].tolist()
