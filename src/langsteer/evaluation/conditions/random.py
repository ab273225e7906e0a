"""A random change, at each latent as long as that of the edit."""

from langsteer.edits.edit import Edit
from langsteer.evaluation.cases import Case
from langsteer.evaluation.conditions.condition import Condition
from langsteer.evaluation.random_control import random_like


def _random(edit: Edit, case: Case) -> Edit:
    return random_like(edit, f"{case.source} {case.target}")


CONDITION = Condition("random", "random Δ", edit=_random)
