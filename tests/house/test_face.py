"""The names that a user imports: the same objects in whatever order, and never modules."""

from itertools import permutations

import pytest

import langsteer
from blocked import python

ORDERS = """
import importlib, sys
from types import ModuleType
import torch, transformers

def fresh():
    for name in [one for one in sys.modules if one.partition(".")[0] == "langsteer"]:
        del sys.modules[name]
    return importlib.import_module("langsteer")

for order in {orders!r}:
    package = fresh()
    first = {{name: getattr(package, name) for name in order}}
    namespace = {{}}
    exec("from langsteer import *", namespace)
    for name in package.__all__:
        value = getattr(package, name)
        assert not isinstance(value, ModuleType), (order, name)
        assert value is namespace[name] is first.get(name, value), (order, name)
        assert value.__module__.startswith("langsteer."), (order, name)
"""


@pytest.mark.slow
def test_names_are_the_same_in_every_order() -> None:
    done = python(ORDERS.format(orders=list(permutations(langsteer.__all__, 2))))
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="'nothing'"):
        langsteer.nothing  # noqa: B018
