"""Run prompts under several conditions and judge the answers.

A *condition* says what is done to make the model answer in the target language: nothing, an edit, a
random edit of the same size, or a request in the prompt. All pairs of languages share batches:
every row has its own edit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.conditions import Condition
from langsteer.evaluation.judge import Judge
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.answer import visible

MAX_NEW_TOKENS = 48

Progress = Callable[[int], None]
"""Told the number of answers that were just finished."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How prompts are put to a model: the longest answer in tokens, and the chat template."""

    max_new_tokens: int = MAX_NEW_TOKENS
    chat: ChatOptions = field(default_factory=ChatOptions)


class Runner:
    """Runs conditions on one model with one space, and judges what comes out."""

    def __init__(self, model: Model, space: Space, judge: Judge, asking: Asking = Asking()) -> None:
        self.model, self.space, self.judge, self.asking = model, space, judge, asking
        self.progress: Progress | None = None
        """Called with the number of answers after each batch."""
        self.tokens = 0
        """How many tokens were generated so far."""
        self._plain: dict[tuple[str, str | None], str] = {}

    def run(
        self, condition: Condition, todo: Sequence[Case], point: OperatingPoint
    ) -> list[Outcome]:
        """Answer and judge all cases under one condition, without those that it cannot treat."""
        todo = list(filter(condition.applies, todo))
        texts = list(map(condition.text, todo))
        if condition.edit is None:
            return self._outcomes(condition.name, todo, self.plain(todo, texts))
        base = self.edits(todo, [point] * len(todo))
        made = {
            (id(edit), case.source, case.target): condition.edit(edit, case)
            for edit, case in zip(base, todo, strict=True)
        }
        rows = [
            made[id(edit), case.source, case.target] for edit, case in zip(base, todo, strict=True)
        ]
        return self._outcomes(condition.name, todo, self.generate(todo, texts, rows))

    def size(self, condition: Condition, todo: Sequence[Case]) -> int:
        """How many answers a condition has to generate."""
        todo = list(filter(condition.applies, todo))
        plain = condition.edit is None
        return len(self._missing(todo, list(map(condition.text, todo))) if plain else todo)

    def steer(
        self, condition: Condition, todo: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[Outcome]:
        """Answer and judge every case at its own operating point, all in mixed batches."""
        return self._outcomes(condition.name, todo, self.steered(todo, points))

    def steered(self, todo: Sequence[Case], points: Sequence[OperatingPoint]) -> list[str]:
        """The text that each case gets at its own operating point, all in mixed batches."""
        return self.generate(todo, _texts(todo), self.edits(todo, points))

    def edits(self, todo: Sequence[Case], points: Sequence[OperatingPoint]) -> list[Edit]:
        """The edit of each case at its own operating point."""
        return [
            self.space.edit(case.source, case.target, point=point)
            for case, point in zip(todo, points, strict=True)
        ]

    def plain(self, todo: Sequence[Case], texts: Sequence[str]) -> list[str]:
        """The unsteered model's answer to the text of each case; the same text is answered once."""
        missing = self._missing(todo, texts)
        found = self.generate(list(missing.values()), [text for text, _ in missing], None)
        self._plain.update(zip(missing, found, strict=True))
        return [self._plain[text, case.prompt.stop] for case, text in zip(todo, texts, strict=True)]

    def _missing(
        self, todo: Sequence[Case], texts: Sequence[str]
    ) -> dict[tuple[str, str | None], Case]:
        """Text and stop of what was not answered yet, with a case that asks for it."""
        asked = {(text, case.prompt.stop): case for case, text in zip(todo, texts, strict=True)}
        return {key: case for key, case in asked.items() if key not in self._plain}

    def generate(
        self, todo: Sequence[Case], texts: Sequence[str], edits: Sequence[Edit] | None
    ) -> list[str]:
        """What follows each text, with its edit if there are edits, until its case's stop."""
        # Answers of one family are about equally long, and a batch takes as long as its longest.
        families: dict[str, list[int]] = {}
        for number, case in enumerate(todo):
            families.setdefault(case.prompt.family, []).append(number)
        answers = [""] * len(todo)
        for rows in families.values():
            found = self.model.generate(
                [texts[row] for row in rows],
                None if edits is None else [edits[row] for row in rows],
                Generation(self.asking.max_new_tokens),
                chat=self.asking.chat,
                stop=[todo[row].prompt.stop for row in rows],
                events=Events(on_batch=self.progress, on_tokens=self._count),
            )
            for row, answer in zip(rows, found, strict=True):
                answers[row] = answer
        return answers

    def _count(self, tokens: int) -> None:
        self.tokens += tokens

    def _outcomes(
        self, condition: str, todo: Sequence[Case], generated: Sequence[str]
    ) -> list[Outcome]:
        answers = [
            visible(case.prompt.answer(text)) for case, text in zip(todo, generated, strict=True)
        ]
        judged = self.judge.verdicts(
            [(case.prompt, case.target, answer) for case, answer in zip(todo, answers, strict=True)]
        )
        return [
            Outcome(case, condition, answer, verdict)
            for case, answer, verdict in zip(todo, answers, judged, strict=True)
        ]


def _texts(todo: Sequence[Case]) -> list[str]:
    return [case.prompt.text for case in todo]
