"""A table that is kept says of every batch what the batch's own table says."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as some

import tiny
from langsteer.edits import known
from langsteer.edits.edit import Edit
from langsteer.edits.known import KnownEdits
from langsteer.edits.maps.clamp import Clamp
from langsteer.edits.maps.shift import Shift
from langsteer.edits.table import EditTable


def shift(seed: int) -> Shift:
    generator = torch.Generator().manual_seed(seed)
    return Shift(torch.randn(tiny.WIDTH, generator=generator))


DIRECTION = torch.eye(tiny.WIDTH)[0]
EDITS = (
    None,
    *(Edit({1: shift(seed)}, 0.5 * seed) for seed in range(6)),  # the first one is idle
    Edit({1: shift(1)}, 2.0),  # the same vector in another edit
    Edit({0: shift(7), 1: shift(8)}),
    Edit({1: Clamp(DIRECTION, 2.0)}),
    Edit({1: shift(9)}, restore_norm=True),
)


def does(table: EditTable, row: int) -> dict[int, object]:
    """What a row of the table does at each layer where it does something."""
    found: dict[int, object] = {}
    for at, one in table.layers.items():
        if one.edited[row]:
            groups = [(group.name, group.restore_norm) for group in one.groups if group.row == row]
            own = one.owner == row
            factors = (one.left[:, own].tolist(), one.right[:, own].tolist())
            found[at] = (one.shifts[row].tolist(), factors, groups)
    return found


@given(batches=some.lists(some.lists(some.integers(0, len(EDITS) - 1), max_size=6), max_size=8))
def test_each_row_does_what_it_does_in_a_table_of_its_own(batches: list[list[int]]) -> None:
    kept = KnownEdits()
    for batch in batches:
        edits = [EDITS[number] for number in batch]
        mine, own = kept.table(edits), EditTable.of(edits)
        assert mine.strengths == own.strengths
        for row, other in zip(mine.rows, own.rows, strict=True):
            assert does(mine, row) == does(own, other)


def test_known_edits_are_not_stacked_again(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    kept, vectors = KnownEdits(), EDITS[2:6]
    first = kept.table(vectors)
    again = kept.table([vectors[2], None, vectors[0]])
    assert again.layers is first.layers
    assert kept.table([EDITS[9], *vectors]).layers is not first.layers
    assert kept.table(vectors).layers is first.layers
    monkeypatch.setattr(known, "MOST", 4)
    other = Edit({1: shift(20)})
    assert kept.table([other, vectors[0]]).size == 2  # too many: only those of the batch are left
