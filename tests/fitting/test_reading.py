"""How texts are read is checked before any model runs."""

import pytest

from langsteer.errors import LangsteerError
from langsteer.fitting.reading import Reading


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"layers": []}, "no layer"),
        ({"layers": [1, 0, 1]}, "layer 1"),
        ({"max_length": 0}, "max_length .* not 0"),
        ({"max_length": -1}, "max_length .* not -1"),
        ({"tokens_per_batch": 0}, "tokens_per_batch .* not 0"),
        ({"massive": float("nan")}, "massive .* nan"),
        ({"pooling": "median"}, "'median' is not a pooling"),
    ],
)
def test_what_cannot_be_read_so_is_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(LangsteerError, match=named):
        Reading(**values)


def test_no_layers_named_are_all_layers() -> None:
    assert Reading().layers is None
    assert Reading(layers=[2, 0]).layers == [2, 0]
