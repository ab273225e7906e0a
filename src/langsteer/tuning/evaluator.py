"""Put cases to the model under many configurations, in batches that a journal remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.conditions import STEERED, Condition
from langsteer.evaluation.judge import Verdict
from langsteer.space.space import OperatingPoint
from langsteer.tuning.journal import Journal, digest

BATCH = 256
"""Answers in one batch: what a kill can cost."""

Item = tuple[Case, OperatingPoint]


class Answering(Protocol):
    """What answers and judges: a `Runner`."""

    @property
    def tokens(self) -> int:
        """How many tokens were generated so far."""

    def steer(
        self, condition: Condition, todo: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[Outcome]:
        """Answer and judge every case at its own operating point."""


class Evaluator:
    """Answers cases under configurations, counts the generated tokens, and remembers both.

    The batches depend on nothing but what is asked: with the same journal the same questions have
    the same answers, whether they were asked before or not.

    Args:
        runner: Answers and judges.
        journal: Remembers finished batches; None: nothing is remembered.
        on_tokens: Called after each batch with the tokens that it cost.
    """

    def __init__(
        self,
        runner: Answering,
        journal: Journal | None = None,
        on_tokens: Callable[[int], None] | None = None,
    ) -> None:
        self.tokens = 0
        self.answers = 0
        self._runner, self._journal, self._on_tokens = runner, journal, on_tokens

    @property
    def tokens_per_answer(self) -> float | None:
        """The mean so far; None before the first answer."""
        return self.tokens / self.answers if self.answers else None

    def answer(
        self, cases: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[list[Outcome]]:
        """For every point the outcomes of all cases, in their order."""
        items = [(case, point) for point in points for case in cases]
        found: list[Outcome | None] = [None] * len(items)
        for rows in _batches(items):
            outcomes = self._batch([items[row] for row in rows])
            for row, outcome in zip(rows, outcomes, strict=True):
                found[row] = outcome
        done = [outcome for outcome in found if outcome is not None]
        size = len(cases)
        return [done[number * size : (number + 1) * size] for number in range(len(points))]

    def _batch(self, items: Sequence[Item]) -> list[Outcome]:
        key = digest([_name(case, point) for case, point in items])
        known = None if self._journal is None else self._journal.get(key)
        if known is None:
            before = self._runner.tokens
            outcomes = self._runner.steer(
                STEERED, [case for case, _ in items], [p for _, p in items]
            )
            tokens = self._runner.tokens - before
            if self._journal is not None:
                answers = [[one.answer, asdict(one.verdict)] for one in outcomes]
                self._journal.write(key, {"tokens": tokens, "answers": answers})
        else:
            tokens = known["tokens"]
            rows = zip(items, known["answers"], strict=True)
            outcomes = [
                Outcome(case, STEERED.name, answer, Verdict(**verdict))
                for (case, _), (answer, verdict) in rows
            ]
        self.tokens += tokens
        self.answers += len(items)
        if self._on_tokens is not None:
            self._on_tokens(tokens)
        return outcomes


def _batches(items: Sequence[Item]) -> Iterator[list[int]]:
    """Rows of one family and of similar length, those of one prompt together."""
    families: dict[str, list[int]] = {}
    for row, (case, _) in enumerate(items):
        families.setdefault(case.prompt.family, []).append(row)
    for rows in families.values():
        texts = {row: items[row][0].prompt.text for row in rows}
        rows.sort(key=lambda row: (len(texts[row]), texts[row]))
        for start in range(0, len(rows), BATCH):
            yield rows[start : start + BATCH]


def _name(case: Case, point: OperatingPoint) -> list[Any]:
    place = [list(point.layers), point.strength, point.scope, point.estimator]
    return [asdict(case.prompt), case.target, *place]
