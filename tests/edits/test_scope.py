"""A scope asks of each token by itself: laid out in a padded batch or one after another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from langsteer.edits import Edit, Scope, Window
from langsteer.edits.maps import Shift
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.engines.transformers.selection import ScopedColumns
from langsteer.errors import ScopeError

BOS, PAD = 1, 0
bounds = st.none() | st.integers(-4, 4)


@st.composite
def windows(draw) -> Window:
    origin = draw(st.sampled_from(["start", "end"]))
    begin, end = draw(bounds), draw(bounds)
    if origin == "start":
        begin, end = (None if at is None else abs(at) for at in (begin, end))
    if begin is not None and end is not None and begin >= end:
        begin, end = None, end if end > 0 or origin == "end" else 1
    return Window(origin, begin, end)


some_tokens = st.frozensets(st.integers(1, 5), min_size=1, max_size=3)
tokens = st.one_of(st.none(), st.none(), st.none(), some_tokens)
scopes = st.builds(
    lambda windows, tokens, spare: Scope(tuple(windows), tokens, spare_bos=spare),
    st.lists(windows(), min_size=1, max_size=2),
    tokens,
    st.booleans(),
)
rows = st.tuples(scopes, st.lists(st.integers(1, 5), min_size=1, max_size=6))


def assert_alike(rows: list, answers: list[list[int]], side: str, size: int) -> None:
    """Of a batch read `size` columns at a time and of a flat list, the same tokens are selected."""
    new = len(answers[0])
    flat = [
        scope.selects(
            torch.arange(len(ids) + new),
            torch.full((len(ids) + new,), len(ids)),
            torch.tensor(ids + answer),
            {BOS},
        )
        for (scope, ids), answer in zip(rows, answers, strict=True)
    ]
    for (scope, ids), answer, mine in zip(rows, answers, flat, strict=True):
        assert mine.tolist() == reference.positions(scope, ids + answer, len(ids), BOS)

    width = max(len(ids) for _, ids in rows)
    gaps = [width - len(ids) for _, ids in rows]
    left = [gap if side == "left" else 0 for gap in gaps]
    padded = [
        [PAD] * before + ids + [PAD] * (gap - before)
        for (_, ids), gap, before in zip(rows, gaps, left, strict=True)
    ]
    prompt = PromptTokens(torch.tensor(padded) != PAD, torch.tensor(padded))
    ids = torch.tensor([row + answer for row, answer in zip(padded, answers, strict=True)])
    edits = [Edit({0: Shift(torch.ones(1))}, scope=scope) for scope, _ in rows]
    try:
        columns = ScopedColumns(prompt, edits, 1, frozenset({BOS}))
    except ScopeError:
        assert any(
            not mine[: len(ids)].any() and all(end <= len(ids) for _, end in scope.spans(len(ids)))
            for (scope, ids), mine in zip(rows, flat, strict=True)
        )
        return
    found = torch.zeros(ids.shape, dtype=torch.bool)
    for start in range(0, width + new, size):
        piece = ids[:, start : start + size]
        forward = Forward(prompt, start, piece.shape[1], len(rows), piece)
        selected = columns.select(forward, (True,) * len(rows), torch.device("cpu"))
        mask = selected[..., 0] if isinstance(selected, torch.Tensor) else torch.tensor(selected)
        found[:, start : start + size] = mask
    for row, mine in enumerate(flat):
        length = len(rows[row][1])
        spread = [False] * width
        spread[left[row] : left[row] + length] = mine[:length].tolist()
        assert found[row].tolist() == spread + mine[length:].tolist()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(rows, min_size=1, max_size=4),
    st.sampled_from(["left", "right"]),
    st.integers(0, 4),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_a_padded_batch_and_a_flat_list_of_tokens_agree(
    rows: list, side: str, new: int, size: int, random
) -> None:
    answers = [[random.randint(1, 5) for _ in range(new)] for _ in rows]
    assert_alike(rows, answers, side, size)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("text", ["all", "generated", "start[0:4]", "start[3:5]", "end[-1:2]"])
def test_windows_that_end_within_the_answer(text: str, side: str, size: int) -> None:
    """Steps of a generation are looked up in stretches, which begin and end where windows do."""
    scope = Scope.parse(text)
    prompts = [[BOS, 2], [3, 4, 5], [2, 2, 2, 2]]
    assert_alike([(scope, ids) for ids in prompts], [[2, 3, 4, 5]] * 3, side, size)


def test_without_token_ids_a_scope_by_token_is_an_error() -> None:
    with pytest.raises(ScopeError, match="needs input_ids"):
        Scope(tokens=frozenset({3})).selects(torch.arange(3), torch.tensor(2), None)
