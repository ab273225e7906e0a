"""A guard's decision is a pure step: states are never changed, so any of them may go on."""

import torch

from langsteer.edits.guard import Guard, Readout

CPU = torch.device("cpu")


def guard(margin: float = 0.25, window: int = 2) -> Guard:
    return Guard("fr", 0, torch.ones(1, 1), torch.zeros(1), window, margin, 1)


def scores(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_between_the_margins_a_row_goes_on_as_before() -> None:
    readout = Readout.of([guard(), guard()], CPU)
    state, acts = readout.begin(scores(-0.5, 0.5)[:, None])
    assert acts.tolist() == [True, False]
    state, acts = readout.step(state, scores(0.5, -0.5))
    assert acts.tolist() == [True, False], "their means are 0"
    state, acts = readout.step(state, scores(0.5, -0.5))
    assert acts.tolist() == [False, True], "the first token has left the window"


def test_a_step_leaves_its_state_as_it_was() -> None:
    readout = Readout.of([guard()], CPU)
    begun, _ = readout.begin(scores(-0.5)[:, None])
    once, first = readout.step(begun, scores(0.9))
    _, again = readout.step(begun, scores(0.9))
    other, _ = readout.step(begun, scores(-0.9))
    assert first.tolist() == again.tolist() == once.acting.tolist() == [True]
    assert begun.acting.tolist() == other.acting.tolist() == [True]
    assert len(begun.scores) == 1


def test_tokens_that_do_not_count_are_left_out_and_rows_without_a_guard_always_act() -> None:
    readout = Readout.of([guard(window=4), None], CPU)
    counted = torch.tensor([[False, True], [True, True]])
    given = torch.tensor([[[9.0], [-0.3]], [[9.0], [9.0]]])
    _, acts = readout.begin(given, counted)
    assert acts.tolist() == [True, True]
    _, acts = readout.begin(given)
    assert acts.tolist() == [False, True]


def test_one_readout_for_several_guards_reads_each_by_its_own() -> None:
    other = Guard("de", 0, -torch.ones(1, 1), torch.ones(1), 2, 0.25, 1)
    found = Readout.of([guard(), other], CPU).scores(torch.tensor([[[2.0]], [[2.0]]]))
    assert found.flatten().tolist() == [2.0, -1.0]
