"""All outcomes of a search, by configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.objective import objective
from langsteer.space.space import OperatingPoint
from langsteer.tuning.evaluator import Evaluator

Place = tuple[tuple[int, ...], float, str, str]


def place(point: OperatingPoint) -> Place:
    """What of a point makes a configuration."""
    return (point.layers, point.strength, point.scope, point.estimator)


@dataclass
class Answered:
    """Configurations with their outcomes on the first cases of one order."""

    _found: dict[Place, tuple[OperatingPoint, list[Outcome]]] = field(default_factory=dict)

    @property
    def points(self) -> list[OperatingPoint]:
        """The configurations in the order in which they were first asked."""
        return [point for point, _ in self._found.values()]

    def outcomes(self, point: OperatingPoint) -> list[Outcome]:
        """What a configuration answered, in the order of the cases."""
        return self._found[place(point)][1]

    def objective(self, point: OperatingPoint) -> float:
        """The objective of a configuration on all cases that it was asked."""
        return objective(self.outcomes(point))

    def extend(
        self, evaluator: Evaluator, cases: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> None:
        """Ask the configurations those of `cases`, the first of the order, that are new to them."""
        waiting: dict[int, list[OperatingPoint]] = {}
        for point in points:
            _, known = self._found.setdefault(place(point), (point, []))
            waiting.setdefault(len(known), []).append(point)
        for start, late in sorted(waiting.items()):
            if start < len(cases):
                found = evaluator.answer(cases[start:], late)
                for point, outcomes in zip(late, found, strict=True):
                    self.outcomes(point).extend(outcomes)

    def on(
        self, evaluator: Evaluator, cases: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[list[Outcome]]:
        """For every point the outcomes of any of the cases; asks only what is new."""
        found = []
        for point in points:
            known = {id(one.case): one for one in self._found[place(point)][1]}
            new = [case for case in cases if id(case) not in known]
            (answers,) = evaluator.answer(new, [point]) if new else ([],)
            known.update(zip(map(id, new), answers, strict=True))
            found.append([known[id(case)] for case in cases])
        return found
