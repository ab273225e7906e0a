"""The model left alone."""

from langsteer.evaluation.conditions.condition import Condition

CONDITION = Condition("unsteered", "unsteered")
