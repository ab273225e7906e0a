"""What a condition is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langsteer.edits.edit import Edit
from langsteer.evaluation.cases import Case


def always(case: Case) -> bool:
    """Every case."""
    return True


def prompt_of(case: Case) -> str:
    """The prompt as it is."""
    return case.prompt.text


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to make the model answer in the target language.

    `label` is shown to readers. `applies` says which cases it can treat, `text` what the model is
    asked, and `edit` makes of the edit for a case the one that is in force; None: the model is not
    edited. One that is not `default` is run only where it is asked for by name.
    """

    name: str
    label: str
    applies: Callable[[Case], bool] = always
    text: Callable[[Case], str] = prompt_of
    edit: Callable[[Edit, Case], Edit] | None = None
    default: bool = True
