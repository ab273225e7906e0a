"""The edit, as tuned."""

from langsteer.edits.edit import Edit
from langsteer.evaluation.cases import Case
from langsteer.evaluation.conditions.condition import Condition


def _as_it_is(edit: Edit, case: Case) -> Edit:
    return edit


CONDITION = Condition("steered", "steered", edit=_as_it_is)
