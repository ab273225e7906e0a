"""A request in the prompt to answer in the target language."""

from langsteer.evaluation.cases import Case
from langsteer.evaluation.conditions.condition import Condition


def _has_request(case: Case) -> bool:
    return case.target in case.prompt.instructed


def _request(case: Case) -> str:
    return case.prompt.instructed[case.target]


CONDITION = Condition("prompted", "prompted", applies=_has_request, text=_request)
