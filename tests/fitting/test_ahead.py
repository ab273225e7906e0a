"""Preparing ahead changes when something is prepared, not what comes out."""

import threading

import pytest

from langsteer.fitting.ahead import ahead


def test_everything_comes_out_in_order_and_once() -> None:
    asked = []

    def prepare(item: int) -> int:
        asked.append(item)
        return item * item

    assert list(ahead(range(5), prepare)) == [n * n for n in range(5)]
    assert asked == list(range(5))
    assert list(ahead([], prepare)) == []


def test_the_next_one_is_prepared_meanwhile() -> None:
    """The second is asked for before the first is handed out, so that both go on side by side."""
    second = threading.Event()

    def prepare(item: int) -> None:
        if item == 1:
            second.set()

    next(ahead(range(2), prepare))
    assert second.wait(10)


def test_an_error_comes_out_at_its_item() -> None:
    def prepare(item: int) -> int:
        return 1 // item

    found = ahead([2, 1, 0, 3], prepare)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
