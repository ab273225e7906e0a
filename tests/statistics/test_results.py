"""What was worked out is kept as far as there is room; the oldest goes first."""

import copy

import torch

from langsteer.statistics.results import Results


def large(number: int) -> torch.Tensor:
    return torch.full((1024,), float(number), dtype=torch.float64)


def test_the_oldest_go_first_and_small_ones_stay() -> None:
    held = Results(3 * large(0).nbytes)
    held.keep(("small",), torch.ones(2))
    for number in range(5):
        held.keep((number,), large(number))
    assert [held.get((number,)) is None for number in range(5)] == [True, True, False, False, False]
    assert held.get(("small",)) is not None
    held.clear()
    assert held.get(("small",)) is held.get((4,)) is None
    for number in range(5):
        held.keep((number,), large(number))
    assert held.get((2,)) is not None


def test_the_first_of_several_is_kept() -> None:
    held = Results()
    first = held.keep((1,), large(1))
    assert held.keep((1,), large(2)) is first is held.get((1,))


def test_a_copy_is_empty() -> None:
    held = Results()
    held.keep((1,), large(1))
    assert copy.deepcopy(held).get((1,)) is None
