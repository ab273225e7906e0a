"""Which conditions are run: the steered one always, the others by default or by name."""

import pytest

from langsteer.errors import LangsteerError
from langsteer.evaluation.conditions import CONDITIONS, STEERED
from langsteer.evaluation.evaluate import chosen


def test_every_condition_has_its_own_name_and_label() -> None:
    assert all(name == one.name for name, one in CONDITIONS.items())
    assert len({one.label for one in CONDITIONS.values()}) == len(CONDITIONS)


def test_the_steered_condition_is_always_run() -> None:
    assert chosen([]) == [STEERED]
    assert [one.name for one in chosen(["prompted", "unsteered"])] == [
        "steered",
        "unsteered",
        "prompted",
    ]


def test_by_default_those_are_run_that_say_so() -> None:
    assert [one.name for one in chosen(None)] == ["steered", "unsteered", "random", "prompted"]


def test_an_unknown_name_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(LangsteerError, match=r"no condition 'rndom'.*steered, unsteered, random"):
        chosen(["rndom"])
