"""Answer a batch of tuning faster: rows with the same prompt share what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

from langsteer.engines.transformers.prefix import can_share, shared_prefix
from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.conditions import Condition
from langsteer.evaluation.runner import Runner
from langsteer.space.space import OperatingPoint


class SharingRunner:
    """A runner whose rows share what they have in common, where the model allows it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._works: dict[int, bool] = {}

    @property
    def tokens(self) -> int:
        """How many tokens were generated so far."""
        return self._runner.tokens

    def steer(
        self, condition: Condition, todo: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[Outcome]:
        """Answer and judge every case at its own operating point."""
        stream = self._runner.model.stream
        last = min(
            min(point.of(case.source, case.target).layers)
            for case, point in zip(todo, points, strict=True)
        )
        if last not in self._works:
            self._works[last] = can_share(stream, last)
        if not self._works[last]:
            return self._runner.steer(condition, todo, points)
        with shared_prefix(stream, last):
            return self._runner.steer(condition, todo, points)
