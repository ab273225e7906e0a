"""The model left alone."""

from langsteer.evaluation.conditions.condition import Condition

UNSTEERED = Condition("unsteered", "unsteered")
