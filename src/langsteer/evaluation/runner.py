"""Run prompts under several conditions and judge the answers.

A *condition* says what is done to make the model answer in the target language: nothing, an edit, a
random edit of the same size, or a request in the prompt. All pairs of languages share batches:
every row has its own edit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from langsteer.data.prompts import Prompt, PromptSet
from langsteer.edits.edit import Edit
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model
from langsteer.errors import LanguageError
from langsteer.evaluation.judge import Judge, Verdict, answerable, distinguishable
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import Detector

Condition = Literal["steered", "unsteered", "random", "prompted"]
STEERED: Final = "steered"
UNSTEERED: Final = "unsteered"
RANDOM: Final = "random"
PROMPTED: Final = "prompted"
CONDITIONS: tuple[Condition, ...] = (STEERED, UNSTEERED, RANDOM, PROMPTED)
MAX_NEW_TOKENS = 48

Progress = Callable[[int], None]
"""Told the number of answers that were just finished."""


@dataclass(frozen=True)
class Case:
    """One prompt that is to be answered in ``target``."""

    prompt: Prompt
    target: str

    @property
    def source(self) -> str:
        """The language of the unsteered answer."""
        return self.prompt.language


@dataclass(frozen=True)
class Outcome:
    """One judged answer."""

    case: Case
    condition: Condition
    answer: str
    verdict: Verdict


def ordered_pairs(languages: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs of two different languages."""
    return [(source, target) for source in languages for target in languages if source != target]


def cases(prompts: PromptSet, pairs: Sequence[tuple[str, str]]) -> list[Case]:
    """Every prompt with every target of its language, where a change of language would be visible.

    Raises:
        LanguageError: No prompt answers in the source language of any pair.
    """
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    found = [
        Case(prompt, target)
        for prompt in prompts.prompts
        for target in targets.get(prompt.language, [])
        if not prompt.neutral and answerable(prompt, target) and distinguishable(prompt, target)
    ]
    if not found:
        sources = ", ".join(sorted(targets)) or "none"
        raise LanguageError(
            f"No prompt fits the pairs: the source languages are {sources}, the prompts are in "
            f"{', '.join(sorted({p.language for p in prompts.prompts}))}."
        )
    return found


def neutral_cases(prompts: PromptSet, pairs: Sequence[tuple[str, str]]) -> list[Case]:
    """Every prompt whose right answer is the same in all languages, with every target."""
    return [
        Case(prompt, target)
        for prompt in prompts.prompts
        for source, target in pairs
        if prompt.neutral and prompt.language == source and answerable(prompt, target)
    ]


def edit_for(
    space: Space, point: OperatingPoint, source: str, target: str, estimator: str | None = None
) -> Edit:
    """The edit that an operating point prescribes for one pair of languages."""
    return space.edit(source, target, estimator=estimator, point=point)


class Runner:
    """Runs conditions on one model with one space, and judges what comes out."""

    def __init__(
        self,
        loaded: Model,
        space: Space,
        prompts: PromptSet,
        detector: Detector,
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
        progress: Progress | None = None,
        chat: bool | None = None,
    ) -> None:
        self.loaded = loaded
        self.space = space
        self.judge = Judge(prompts, detector)
        self.max_new_tokens = max_new_tokens
        self.progress = progress
        self.tokens = 0
        """How many tokens were generated so far."""
        self.chat = chat
        """Whether prompts go through the chat template; None: if there is one."""
        self._plain: dict[tuple[str, str | None], str] = {}

    def run(
        self, condition: Condition, todo: Sequence[Case], point: OperatingPoint
    ) -> list[Outcome]:
        """Answer and judge all cases under one condition, without those that it cannot treat."""
        if condition == UNSTEERED:
            return self._outcomes(condition, todo, self.plain(todo, _texts(todo)))
        if condition == PROMPTED:
            todo = [case for case in todo if case.target in case.prompt.instructed]
            return self._outcomes(condition, todo, self.plain(todo, _requests(todo)))
        estimator = "random" if condition == RANDOM else None
        return self.steer(condition, todo, [point] * len(todo), estimator)

    def size(self, condition: Condition, todo: Sequence[Case]) -> int:
        """How many answers a condition has to generate."""
        if condition == UNSTEERED:
            return len(self._missing(todo, _texts(todo)))
        if condition == PROMPTED:
            todo = [case for case in todo if case.target in case.prompt.instructed]
            return len(self._missing(todo, _requests(todo)))
        return len(todo)

    def steer(
        self,
        condition: Condition,
        todo: Sequence[Case],
        points: Sequence[OperatingPoint],
        estimator: str | None = None,
    ) -> list[Outcome]:
        """Answer and judge every case at its own operating point, all in mixed batches."""
        answers = self.steered(todo, points, estimator)
        return self._outcomes(condition, todo, answers)

    def steered(
        self,
        todo: Sequence[Case],
        points: Sequence[OperatingPoint],
        estimator: str | None = None,
    ) -> list[str]:
        """The text that each case gets at its own operating point, all in mixed batches."""
        edits: dict[tuple[object, ...], Edit] = {}
        rows = []
        for case, point in zip(todo, points, strict=True):
            own = point.of(case.source, case.target)
            place = (own.layers, own.strength, own.scope, own.estimator)
            key = (*place, case.source, case.target)
            if key not in edits:
                edits[key] = edit_for(self.space, own, case.source, case.target, estimator)
            rows.append(edits[key])
        return self.generate(todo, _texts(todo), rows)

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
            found = self.loaded.generate(
                [texts[row] for row in rows],
                None if edits is None else [edits[row] for row in rows],
                Generation(self.max_new_tokens),
                chat=ChatOptions(enabled=self.chat),
                stop=[todo[row].prompt.stop for row in rows],
                events=Events(on_batch=self.progress, on_tokens=self._count),
            )
            for row, answer in zip(rows, found, strict=True):
                answers[row] = answer
        return answers

    def _count(self, tokens: int) -> None:
        self.tokens += tokens

    def _outcomes(
        self, condition: Condition, todo: Sequence[Case], generated: Sequence[str]
    ) -> list[Outcome]:
        answers = [case.prompt.answer(text) for case, text in zip(todo, generated, strict=True)]
        judged = self.judge.verdicts(
            [(case.prompt, case.target, answer) for case, answer in zip(todo, answers, strict=True)]
        )
        return [
            Outcome(case, condition, answer, verdict)
            for case, answer, verdict in zip(todo, answers, judged, strict=True)
        ]


def _texts(todo: Sequence[Case]) -> list[str]:
    return [case.prompt.text for case in todo]


def _requests(todo: Sequence[Case]) -> list[str]:
    """The prompts with the request to answer in the target language."""
    return [case.prompt.instructed[case.target] for case in todo]
