"""What steering costs where it should do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langsteer.evaluation.aggregate import Estimate, Rate, Weighting, combined_average, rate
from langsteer.evaluation.cases import Case
from langsteer.evaluation.judge import has_meaning
from langsteer.evaluation.runner import Runner
from langsteer.space.space import OperatingPoint


@dataclass(frozen=True)
class Cost:
    """Rates where steering should change nothing; None where there are no such prompts."""

    changed: Rate | None
    """Share of the answers that steering to the language spoken already changes: must be 0."""
    unsteered: Rate | None
    """Accuracy without steering on prompts whose answer is the same in all languages."""
    steered: Rate | None
    """The same prompts, steered to every other language."""
    difference: Estimate | None
    """Steered minus unsteered, prompt by prompt."""


def cost(
    runner: Runner, todo: Sequence[Case], neutral: Sequence[Case], point: OperatingPoint
) -> Cost:
    """Measure both costs.

    Args:
        runner: Answers and judges.
        todo: Cases whose prompts are steered to their own language.
        neutral: Cases whose answers have nothing to do with language.
        point: Where and how strongly to steer.
    """
    return Cost(_changed(runner, todo, point), *_accuracies(runner, neutral, point))


def size(todo: Sequence[Case], neutral: Sequence[Case]) -> int:
    """At most how many answers :func:`cost` generates."""
    return 2 * len(_same(todo)) + len(neutral) + len({case.prompt.text for case in neutral})


def _same(todo: Sequence[Case]) -> list[Case]:
    prompts = {case.prompt.text: case.prompt for case in todo}
    return [Case(prompt, prompt.language) for prompt in prompts.values()]


def _changed(runner: Runner, todo: Sequence[Case], point: OperatingPoint) -> Rate | None:
    same = _same(todo)
    if not same:
        return None
    # Rounding differs between batches of different sizes, so both sides are run in the same ones.
    plain = runner.generate(same, [case.prompt.text for case in same], None)
    steered = runner.steered(same, [point] * len(same))
    changed = [float(one != other) for one, other in zip(plain, steered, strict=True)]
    return rate(changed)


def _accuracies(
    runner: Runner, neutral: Sequence[Case], point: OperatingPoint
) -> tuple[Rate | None, Rate | None, Estimate | None]:
    if not neutral:
        return None, None, None
    texts = [case.prompt.text for case in neutral]
    before = _right(neutral, runner.plain(neutral, texts))
    after = _right(neutral, runner.steered(neutral, [point] * len(neutral)))
    both = np.array([before, after]).T
    weighting = Weighting.plain(len(texts), texts)
    difference = combined_average(both, lambda means: means[:, 1] - means[:, 0], weighting)
    return rate(before, weighting), rate(after, weighting), difference


def _right(cases: Sequence[Case], answers: Sequence[str]) -> list[float]:
    return [
        float(bool(has_meaning(case.prompt.answer(text), case.prompt, case.target)))
        for case, text in zip(cases, answers, strict=True)
    ]


def cost_lines(found: Cost | None) -> list[str]:
    """What steering cost where it should do nothing, in words."""
    lines = []
    if found is not None and found.changed is not None:
        lines.append(
            "answers that steering to the language spoken already changes: "
            f"{found.changed.value:.1%} of {found.changed.n:,}"
        )
    if found is not None and found.steered and found.unsteered and found.difference:
        lines.append(
            f"right on prompts unrelated to language: {found.unsteered.percent()} unsteered, "
            f"{found.steered.percent()} steered; difference {100 * found.difference.value:+.1f} "
            f"[{100 * found.difference.low:+.1f} to {100 * found.difference.high:+.1f}]"
        )
    return lines
