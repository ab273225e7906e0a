"""Operating points ranked by teacher forcing on the tuning prompts themselves.

Where a prompt also stands there in the target language, the model's own answer to that is what a
steered model should say. It is generated once for each prompt, whatever the number of points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langsteer.data.prompts import Prompt, PromptSet
from langsteer.engines.transformers.chat import render
from langsteer.engines.transformers.encoding import encode_following
from langsteer.evaluation.cases import Case
from langsteer.evaluation.runner import Runner
from langsteer.space.point import OperatingPoint
from langsteer.training.examples import ParallelText
from langsteer.tuning.forced import ForcedTrial, Gap, rank_by_forcing

MOST = 96
"""The most prompts that points are ranked on."""
FEWEST = 12
"""With fewer prompts that stand in both languages, points are ranked by answers."""
STRENGTHS = (0.5, 0.7, 1.0, 1.4, 2.0)
KINDS = 3
"""How many layers, scopes and estimators have their strength tried."""


def forced_texts(runner: Runner, prompts: PromptSet, cases: Sequence[Case]) -> list[ParallelText]:
    """The first cases whose prompt also stands in the target language and is answered well there.

    What follows is the unsteered model's own answer to that prompt, if it is right as far as can
    be judged.
    """
    translations = _Translations(prompts)
    found = [(case, other) for case in cases if (other := translations.of(case)) is not None]
    found = found[:MOST]
    asked = [Case(other, case.target) for case, other in found]
    answers = runner.plain(asked, [one.prompt.text for one in asked])
    said = [one.prompt.answer(answer) for one, answer in zip(asked, answers, strict=True)]
    verdicts = runner.judge.verdicts(
        [(one.prompt, one.target, answer) for one, answer in zip(asked, said, strict=True)]
    )
    texts = []
    for (case, other), answer, verdict in zip(found, answers, verdicts, strict=True):
        # Whether a name is in the language that was asked for need not be known of a single word.
        right = verdict.language_right if verdict.meaning_right is None else verdict.meaning_right
        following = tuple(encode_following(runner.model.tokenizer, answer))
        if right and following:
            texts.append(
                ParallelText(
                    (case.source, case.target),
                    " ".join(case.prompt.concepts),
                    _prompt(runner, case.prompt),
                    _prompt(runner, other),
                    following,
                )
            )
    return texts


def ranked_points(
    runner: Runner, texts: Sequence[ParallelText], points: Sequence[OperatingPoint]
) -> list[ForcedTrial]:
    """The points that close most of the gap, each at the strengths around 1, the best first.

    Raises:
        NoGapError: the translated prompts do not help.
    """
    gap = Gap.of(runner.model, texts)
    first = rank_by_forcing(runner.model, runner.space, gap, points)
    near = [
        replace(one.point, strength=strength)
        for one in first[:KINDS]
        for strength in STRENGTHS
        if strength != one.point.strength
    ]
    found = [*first, *rank_by_forcing(runner.model, runner.space, gap, near)]
    return sorted(found, key=lambda one: -one.recovered)


class _Translations:
    """The prompts of each concept in each language, in their order."""

    def __init__(self, prompts: PromptSet) -> None:
        self._found: dict[tuple[object, ...], list[Prompt]] = {}
        for prompt in prompts.prompts:
            self._found.setdefault(self._key(prompt, prompt.language), []).append(prompt)
        self._place = {
            id(prompt): place for mine in self._found.values() for place, prompt in enumerate(mine)
        }

    def of(self, case: Case) -> Prompt | None:
        """The prompt of a case in its target language; None if it is not there."""
        if not case.prompt.concepts:
            return None
        there = self._found.get(self._key(case.prompt, case.target), [])
        place = self._place[id(case.prompt)]
        return there[place] if place < len(there) else None

    @staticmethod
    def _key(prompt: Prompt, language: str) -> tuple[object, ...]:
        return prompt.family, prompt.concepts, language


def _prompt(runner: Runner, prompt: Prompt) -> tuple[int, ...]:
    return tuple(render(runner.model.tokenizer, prompt.text, runner.asking.chat).ids)
