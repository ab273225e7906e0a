"""What a batch adds to its rows is what their maps say, rounded once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from langsteer.edits import Edit, Scope
from langsteer.edits.maps import Affine, Diagonal, LowRank, Map, Shift
from langsteer.engines.transformers.batch import BatchEdit
from langsteer.engines.transformers.hooks import Forward, PromptTokens

D, LENGTH = 8, 5
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def some(kind: str, seed: int) -> Map:
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    return {
        "shift": lambda: Shift(3 * draw(D)),
        "low-rank": lambda: LowRank(draw(D, 1 + seed % 3), draw(D, 1 + seed % 3), draw(D)),
        "diagonal": lambda: Diagonal(1 + 0.3 * draw(D), draw(D)),
        "affine": lambda: Affine(draw(D, D), draw(D)),
    }[kind]()


def applied(edits: list[Edit | None], hidden: Tensor) -> Tensor:
    real = torch.ones(len(edits), LENGTH, dtype=torch.bool)
    prompt = PromptTokens(real, torch.full((len(edits), LENGTH), 7))
    batch = BatchEdit(prompt, edits, 1, frozenset())
    return batch.apply(Forward(prompt, 0, LENGTH, len(edits), prompt.ids), 0, hidden)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.none()
        | st.tuples(
            st.sampled_from(["shift", "low-rank", "diagonal", "affine"]),
            st.integers(0, 4),
            st.sampled_from([1.0, 0.1, -0.7, 1.3, 0.0]),
            st.sampled_from(["all", "start[1:3]"]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 99),
)
def test_it_agrees_with_the_maps(dtype: torch.dtype, drawn: list, seed: int) -> None:
    edits = [
        None if one is None else Edit({0: some(*one[:2])}, one[2], Scope.parse(one[3]))
        for one in drawn
    ]
    edits = [None if edit is None or edit.idle else edit for edit in edits]
    generator = torch.Generator().manual_seed(seed)
    hidden = (4 * torch.randn(len(edits), LENGTH, D, generator=generator)).to(dtype)
    found = applied(edits, hidden)
    assert found.dtype == dtype
    for row, edit in enumerate(edits):
        if edit is None:
            assert torch.equal(found[row], hidden[row])
            continue
        inside = slice(None) if str(edit.scope) == "all" else slice(1, 3)
        wanted = hidden[row].clone()
        wanted[inside] = edit.maps[0](hidden[row, inside], edit.strength)
        if isinstance(edit.maps[0], Shift | Diagonal) and not any(
            isinstance(one.maps[0], LowRank) for one in edits if one is not None
        ):
            assert torch.equal(found[row], wanted), "the same sum, rounded once"
        else:  # products of other shapes may add up in another order, before they are rounded
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(found[row], wanted, rtol=2 * eps, atol=64 * eps)
        outside = torch.ones(LENGTH, dtype=torch.bool)
        outside[inside] = False
        assert torch.equal(found[row][outside], hidden[row][outside])


@pytest.mark.parametrize("kind", ["shift", "low-rank", "diagonal"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_edit_for_all_rows_is_its_map_bit_for_bit(kind: str, dtype: torch.dtype) -> None:
    hidden = torch.randn(3, LENGTH, D, generator=torch.Generator().manual_seed(0)).to(dtype)
    edit = Edit({0: some(kind, 2)}, strength=0.3)
    assert torch.equal(applied([edit] * 3, hidden), edit.maps[0](hidden, 0.3))


def test_a_sum_is_rounded_once() -> None:
    """256 + 1.00390625 is nearer to 258 than to 256; the vector, rounded first, makes it a tie."""
    hidden = torch.full((1, LENGTH, D), 256.0, dtype=torch.bfloat16)
    edit = Edit({0: Shift(torch.full((D,), 1.00390625))})
    assert torch.equal(applied([edit], hidden), torch.full_like(hidden, 258.0))
    naive = hidden + torch.full((D,), 1.00390625).to(torch.bfloat16)
    assert torch.equal(naive, torch.full_like(hidden, 256.0))


def test_gradients_follow_a_sum_in_bfloat16() -> None:
    hidden = torch.ones(1, LENGTH, D, dtype=torch.bfloat16, requires_grad=True)
    applied([Edit({0: some("shift", 0)})], hidden).sum().backward()
    assert torch.equal(hidden.grad, torch.ones_like(hidden))


def test_float16_stays_within_its_range() -> None:
    hidden = torch.full((1, LENGTH, D), 65000.0, dtype=torch.float16)
    found = applied([Edit({0: Shift(torch.full((D,), 60000.0))})], hidden)
    assert torch.equal(found, torch.full_like(hidden, torch.finfo(torch.float16).max))


def test_low_rank_maps_of_all_rows_are_two_products(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    matmul = Tensor.__matmul__

    def count(left: Tensor, right: Tensor) -> Tensor:
        counted.append(right.shape)
        return matmul(left, right)

    edits: list[Edit | None] = [Edit({0: some("low-rank", seed)}) for seed in range(4)]
    monkeypatch.setattr(Tensor, "__matmul__", count)
    applied([*edits, None], torch.randn(5, LENGTH, D))
    assert counted == [(D, 1 + 2 + 3 + 1), (1 + 2 + 3 + 1, D)]
