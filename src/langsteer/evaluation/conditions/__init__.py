"""What is done to get the target language: a condition is one file here, and its name in `ORDER`.

The file says what is done in its `CONDITION`. Running it, its rows in every table and on the page,
and its option on the command line follow from that.
"""

from importlib import import_module

from langsteer.evaluation.conditions.condition import Condition

ORDER = (
    "steered",
    "unsteered",
    "random",
    "opposite",
    "prompted",
)
"""The files of the conditions, in the order in which they are run and shown."""


def _condition(name: str) -> Condition:
    found: Condition = import_module(f"{__name__}.{name}").CONDITION
    return found


CONDITIONS = {one.name: one for one in map(_condition, ORDER)}
"""Name → condition, in that order."""

STEERED, UNSTEERED, PROMPTED = (CONDITIONS[name] for name in ("steered", "unsteered", "prompted"))

__all__ = ["CONDITIONS", "PROMPTED", "STEERED", "UNSTEERED", "Condition"]
