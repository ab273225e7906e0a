"""What is done to get the target language: a condition is one file, and one line here."""

from langsteer.evaluation.conditions.condition import Condition
from langsteer.evaluation.conditions.prompted import PROMPTED
from langsteer.evaluation.conditions.random import RANDOM
from langsteer.evaluation.conditions.steered import STEERED
from langsteer.evaluation.conditions.unsteered import UNSTEERED

CONDITIONS: dict[str, Condition] = {
    one.name: one
    for one in (
        STEERED,
        UNSTEERED,
        RANDOM,
        PROMPTED,
    )
}
"""In the order in which they are run and shown."""

__all__ = ["CONDITIONS", "PROMPTED", "RANDOM", "STEERED", "UNSTEERED", "Condition"]
