"""Every family: exactly the plain reference, padded on either side, and strength 0."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_steering import FAMILIES, SCOPES, edit, run, some_edits
from torch import Tensor

import reference
import tiny
from langsteer.edits.edit import Edit
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream

UNION = "start[0:1]+end[-1:1]"
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def padded(prompts: list[list[int]], side: str) -> dict[str, Tensor]:
    """The prompts as one batch with padding on one side."""
    width = max(map(len, prompts))
    gaps = [width - len(ids) for ids in prompts]
    real = [[1] * len(ids) for ids in prompts]

    def fill(rows: list[list[int]], value: int) -> Tensor:
        filled = [
            [value] * gap + row if side == "left" else row + [value] * gap
            for row, gap in zip(rows, gaps, strict=True)
        ]
        return torch.tensor(filled)

    return {"input_ids": fill(prompts, tiny.PAD), "attention_mask": fill(real, 0)}


@torch.no_grad()
def forward(stream: ResidualStream, batch: dict[str, Tensor]) -> Tensor:
    """The logits [rows, columns, vocabulary], with the positions that the padding leaves."""
    positions = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
    known = "position_ids" in inspect.signature(stream.model.forward).parameters
    given = {"position_ids": positions} if known else {}
    return stream.model(**batch, **given, use_cache=False).logits


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scope", [*SCOPES, UNION])
def test_one_row_on_one_kernel_path_is_the_reference_bit_for_bit(family: str, scope: str) -> None:
    """A prompt of five tokens and four after it, in one forward pass, as the reference runs it."""
    stream = ResidualStream(tiny.shared(family))
    ids = [tiny.BOS, 5, 6, 7, 8, 40, 41, 42, 43]
    prompt = {"input_ids": torch.tensor([ids[:5]])}
    for strength in (1.0, -0.7):
        one = edit(1, scope, strength, layers=(0, 2))
        with torch.no_grad(), steering(stream, one, prompt=prompt):
            found = stream.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        assert torch.equal(found, reference.logits(stream, ids, 5, one, tiny.BOS))


def assert_padding_changes_nothing(
    stream: ResidualStream, side: str, prompts: list[list[int]], edits: list[Edit | None]
) -> None:
    """Rows in one forward pass against each row alone without padding; padding is not edited."""
    batch = padded(prompts, side)
    real = batch["attention_mask"].bool()
    latents: dict[int, Tensor] = {}
    with stream.hooks.reading(lambda layer, hidden: latents.setdefault(layer, hidden.clone())):
        forward(stream, batch)
        plain = dict(latents)
        latents.clear()
        with steering(stream, edits):
            found = forward(stream, batch)
    first = min((layer for one in edits if one for layer in one.maps), default=0)
    assert torch.equal(latents[first][~real], plain[first][~real])
    for row, (ids, one) in enumerate(zip(prompts, edits, strict=True)):
        wanted = reference.logits(stream, ids, len(ids), one, tiny.BOS)
        scale = wanted.abs().max()
        torch.testing.assert_close(
            found[row][real[row]] / scale, wanted / scale, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(family: str, side: str) -> None:
    prompts = [[tiny.BOS, 5, 6, 7, 8, 9], [11, 12, 13], [tiny.BOS, 14, 15], [21, 22, 23, 24]]
    edits = [edit(1, "start[1:3]"), edit(2, "prompt_last", 2.0), edit(3, layers=(0, 2)), None]
    assert_padding_changes_nothing(ResidualStream(tiny.shared(family)), side, prompts, edits)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(FAMILIES),
    st.sampled_from(["left", "right"]),
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 255), min_size=2, max_size=9), some_edits),
        min_size=1,
        max_size=4,
    ),
)
def test_any_padded_batch_is_the_reference(family: str, side: str, drawn: list) -> None:
    prompts = [[tiny.BOS, *ids] if bos else ids for bos, ids, _ in drawn]
    edits = [one for _, _, one in drawn]
    assert_padding_changes_nothing(ResidualStream(tiny.shared(family)), side, prompts, edits)


SHAPES = {
    "one row": [[tiny.BOS, 5, 6, 7]],
    "equal rows": [[tiny.BOS, 5, 6], [8, 9, 10]],
    "padded rows": [[tiny.BOS, 5, 6, 7, 8, 9], [11, 12, 13], [14, 15]],
    "one token": [[5]],
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_strength_zero_while_generating(family: str, dtype: torch.dtype, shape: str) -> None:
    """Cached steps and prompts of any shape: the logits are the unsteered model's, bit for bit."""
    stream = ResidualStream(tiny.shared(family, dtype))
    prompts, options = SHAPES[shape], {"max_new_tokens": 2}
    rows, wanted = run(stream, prompts, None, **options)
    for scope in ("all", "generated", UNION):
        zero = edit(1, scope, 0.0, layers=(0, 1))
        found_rows, found = run(stream, prompts, [zero] * len(prompts), **options)
        assert found_rows == rows
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "mixtral"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scope", [*SCOPES, UNION])
def test_strength_zero_beside_a_steered_row(family: str, dtype: torch.dtype, scope: str) -> None:
    """Rows of experts are computed together, and so round together: that family is left out."""
    stream = ResidualStream(tiny.shared(family, dtype))
    prompts = [[tiny.BOS, 5, 6, 7, 8], [11, 12, 13, 14], [tiny.BOS, 9, 10]]
    _, wanted = run(stream, prompts, None, max_new_tokens=2)
    edits = [edit(1, scope, 0.0), Edit(edit(2).maps, 2.0, Scope.parse(scope)), None]
    _, found = run(stream, prompts, edits, max_new_tokens=2)
    assert torch.equal(found[:, [0, 2]], wanted[:, [0, 2]])
    beyond = scope == "end[1:]"  # its first position decides the third token
    assert torch.equal(found[:, 1], wanted[:, 1]) is beyond
