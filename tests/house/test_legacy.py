"""Names of version 0.1 are found in every order, and `langsteer.steering` can always be called."""

from itertools import permutations

import pytest

from blocked import python
from langsteer.legacy import MOVED, NAMES

STEPS = (
    "import langsteer.steering",
    "from langsteer.steering import Edit, Guard, Scope, steering, generate",
    "import langsteer; langsteer.Edit",
    "import langsteer; assert callable(langsteer.steering)",
    "from langsteer.loading import load",
)
ORDERS = """
import sys, warnings
import torch, transformers
warnings.simplefilter("ignore")
for order in {orders!r}:
    for name in [one for one in sys.modules if one.partition(".")[0] == "langsteer"]:
        del sys.modules[name]
    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != "langsteer.legacy"]
    for step in order:
        exec(step)
    import langsteer
    assert callable(langsteer.steering), order
    from langsteer.steering import Edit
    assert Edit is langsteer.Edit, order
"""


@pytest.mark.slow
def test_steering_can_be_called_after_every_import() -> None:
    done = python(ORDERS.format(orders=list(permutations(STEPS, 3))))
    assert done.returncode == 0, done.stderr


EVERY = """
import importlib, warnings
warnings.simplefilter("error")
import langsteer
for names, found in (({modules!r}, importlib.import_module), ):
    for name in names:
        try:
            found("langsteer." + name)
        except DeprecationWarning as warning:
            assert "0.1" in str(warning), warning
        else:
            raise AssertionError(name + " did not warn")
warnings.simplefilter("ignore")
for name in {modules!r}:
    importlib.import_module("langsteer." + name)
for name in {names!r}:
    assert callable(getattr(langsteer, name)), name
"""


@pytest.mark.slow
def test_every_module_of_0_1_is_found_and_says_where_it_went() -> None:
    done = python(EVERY.format(modules=sorted(MOVED), names=sorted(NAMES)))
    assert done.returncode == 0, done.stderr
