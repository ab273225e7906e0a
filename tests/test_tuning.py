"""Tuning finds the best configuration, prefers the plain one, and asks for what it announces."""

from collections.abc import Sequence

import pytest

from langsteer.errors import LangsteerError
from langsteer.evaluation.judge import Verdict
from langsteer.evaluation.prompts import Prompt
from langsteer.evaluation.run import Case, Outcome
from langsteer.space import OperatingPoint
from langsteer.tuning import STRENGTHS, sample_cases, tune

CASES = [Case(Prompt(f"prompt {number}", "en"), "de") for number in range(20)]


class Believer:
    """Answers rightly on a share of the cases that depends on the configuration alone."""

    def __init__(self, best_layer: int, best_strength: float) -> None:
        self.best_layer, self.best_strength = best_layer, best_strength
        self.asked = 0

    def share(self, point: OperatingPoint) -> float:
        away = abs(point.layers[0] - self.best_layer) * 0.2
        away += abs(point.strength - self.best_strength) * 0.3
        return max(0.0, 1 - away - 0.1 * (point.scope == "all"))

    def steer(
        self, condition: str, todo: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[Outcome]:
        self.asked += len(todo)
        found = []
        for case, point in zip(todo, points, strict=True):
            right = CASES.index(case) < round(20 * self.share(point))
            verdict = Verdict("de" if right else "en", right, None)
            found.append(Outcome(case, condition, "", verdict))
        return found


@pytest.mark.parametrize("strength", [1.0, 1.5])
def test_it_finds_the_best_layer_scope_and_strength(strength: float) -> None:
    found = tune(Believer(2, strength), CASES, CASES, layers=range(4))  # type: ignore[arg-type]
    assert (found.point.layers, found.point.scope) == ((2,), "generated")
    assert found.point.strength == strength
    assert found.point.scores["language_rate"] == max(
        trial.scores.language_rate.value for trial in found.trials
    )
    assert found.point.split == "tune"


def test_of_equals_it_takes_the_map_as_it_was_estimated() -> None:
    class Always(Believer):
        def share(self, point: OperatingPoint) -> float:
            return 1.0

    assert tune(Always(0, 1), CASES, CASES, layers=[0, 1]).point.strength == 1  # type: ignore[arg-type]


def test_it_asks_for_as_many_answers_as_it_announces() -> None:
    runner = Believer(1, 1)
    tune(runner, CASES[:5], CASES, layers=range(3), scopes=["all"])  # type: ignore[arg-type]
    assert runner.asked == 5 * 3 + 20 * 2 * (len(STRENGTHS) + 1)


def test_nothing_to_try_is_an_error() -> None:
    with pytest.raises(LangsteerError, match="at least one prompt"):
        tune(Believer(0, 1), [], CASES, layers=[0])  # type: ignore[arg-type]


def test_samples_take_the_same_number_of_every_group() -> None:
    cases = [
        Case(Prompt(f"{family} {number}", "en", family=family), target)
        for family in ("a", "b")
        for target in ("de", "fr")
        for number in range(5)
    ]
    found = sample_cases(cases, 2)
    assert len(found) == len(set(map(id, found))) == 8
    assert sample_cases(cases, 2) == found
    assert len(sample_cases(cases, 99)) == len(cases)
