"""The table says what each edit does, once, however many edits are given."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langsteer.edits import Edit, Scope
from langsteer.edits.maps import Affine, Diagonal, LowRank, Map, Shift
from langsteer.edits.table import EditTable, Varying
from langsteer.errors import SteeringError

D = 5
CPU = torch.device("cpu")


def some(kind: str, seed: int = 0) -> Map:
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    return {
        "shift": lambda: Shift(draw(D)),
        "diagonal": lambda: Diagonal(1 + 0.3 * draw(D), draw(D)),
        "low-rank": lambda: LowRank(draw(D, 1 + seed % 3), draw(D, 1 + seed % 3), draw(D)),
        "affine": lambda: Affine(draw(D, D), draw(D)),
    }[kind]()


KINDS = ("shift", "diagonal", "low-rank", "affine")
edits = st.builds(
    lambda kind, seed, layers, strength: Edit(
        {layer: some(kind, seed + layer) for layer in layers}, strength
    ),
    st.sampled_from(KINDS),
    st.integers(0, 3),
    st.sets(st.integers(0, 2), max_size=3),
    st.sampled_from([0.0, 0.5, 1.0, -2.0]),
)


def test_equal_edits_are_one_row_whatever_their_strength() -> None:
    made = [Edit({1: some("low-rank")}, strength=1 + at) for at in range(48)]
    table = EditTable.of([*made, None])
    assert table.size == 1
    assert table.rows == (*[1] * 48, 0)
    assert table.strengths == (*range(1, 49), 0.0)
    assert table.layers[1].shifts.shape == (2, D)


@pytest.mark.parametrize("kind", KINDS)
def test_what_differs_anywhere_has_a_row_of_its_own(kind: str) -> None:
    one = Edit({1: some(kind), 2: some(kind, 1)})
    late = Edit({1: some(kind), 2: some(kind, 2)})
    table = EditTable.of([one, late, replace(one, restore_norm=True), Edit({1: some(kind)}), one])
    assert table.rows == (1, 2, 3, 4, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | edits, max_size=6))
def test_a_row_of_the_table_changes_a_latent_as_its_maps_do(given_: list[Edit | None]) -> None:
    table = EditTable.of(given_)
    z = torch.randn(7, D, generator=torch.Generator().manual_seed(1))
    for edit, row in zip(given_, table.rows, strict=True):
        assert (row == 0) is (edit is None or edit.idle)
        for at, layer in table.layers.items():
            assert not layer.shifts[0].any()
            map_ = None if edit is None or edit.idle else edit.maps.get(at)
            assert layer.edited[row] is (map_ is not None)
            if layer.added[row] and map_ is not None:
                found = ((z @ layer.right) * (layer.owner == row)) @ layer.left.T
                torch.testing.assert_close(found + layer.shifts[row], map_.change(z).expand(7, D))
            elif map_ is not None:
                (group,) = [one for one in layer.groups if one.row == row]
                assert group.map_.same(map_)


def test_it_is_placed_once() -> None:
    table = EditTable.of([Edit({0: some("low-rank")})])
    assert table.to(CPU, torch.bfloat16)[0] is table.place(0, CPU, torch.float16)
    assert table.to(CPU, torch.bfloat16)[0].left.dtype == torch.float32
    assert table.to(CPU, torch.float64)[0].left.dtype == torch.float64


def test_edits_for_two_widths_are_refused() -> None:
    with pytest.raises(SteeringError, match="widths 5, 6"):
        EditTable.of([Edit({0: some("shift")}), Edit({0: Shift(torch.ones(6))})])


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Edit({0: some("low-rank")}), Varying("map", 0, "low-rank")),
        (Edit({0: some("shift")}, restore_norm=True), Varying("norm")),
        (Edit({0: some("shift")}, scope=Scope.parse("generated")), Varying("scope")),
        (Edit({0: some("shift")}, scope=Scope(tokens=frozenset({1}))), Varying("scope")),
        (Edit({0: some("shift")}, scope=Scope.parse("end[0:]")), Varying("scope")),
    ],
)
def test_what_is_no_constant_says_why(edit: Edit, why: Varying) -> None:
    assert EditTable.constant(edit) == why


@pytest.mark.parametrize("scope", ["all", "start[:]", "start[0:]", "end[:]", "start[0:2]+end[:]"])
def test_shifts_everywhere_are_constants(scope: str) -> None:
    found = EditTable.constant(Edit({2: some("shift")}, -0.5, Scope.parse(scope)))
    assert isinstance(found, dict)
    assert torch.equal(found[2], -0.5 * some("shift").vector)
