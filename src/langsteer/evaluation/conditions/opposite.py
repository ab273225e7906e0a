"""The edit with its sign turned: it should lead away from the target, and not merely disturb."""

from langsteer.edits.edit import Edit
from langsteer.evaluation.cases import Case
from langsteer.evaluation.conditions.condition import Condition


def _turned(edit: Edit, case: Case) -> Edit:
    return edit.at(strength=-edit.strength)


CONDITION = Condition("opposite", "opposite Δ", edit=_turned, default=False)
