"""Measure an operating point and its controls on prompts that were not used to choose it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langsteer.data.prompts import PromptSet
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.evaluation.aggregate import Estimate, Rate, percent
from langsteer.evaluation.cases import Outcome, cases, neutral_cases, ordered_pairs, sample_cases
from langsteer.evaluation.conditions import CONDITIONS, STEERED, Condition
from langsteer.evaluation.cost import Cost, cost
from langsteer.evaluation.cost import size as cost_size
from langsteer.evaluation.judge import Judge
from langsteer.evaluation.metrics import Measured, estimates
from langsteer.evaluation.perplexity import log_perplexities
from langsteer.evaluation.runner import Asking, Runner
from langsteer.evaluation.summary import (
    PairScores,
    Scores,
    by_family,
    by_pair,
    by_target,
    measured,
    scores_by_pair,
)
from langsteer.evaluation.words import WordProbabilities, word_probabilities
from langsteer.progress import Timer
from langsteer.space.display import table
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import Detector, default_detector

WORD_CASES_PER_PAIR = 1


@dataclass(frozen=True)
class EvaluationOptions:
    """What is asked, and how.

    `languages` are those to steer between; all of the space if None. `per_pair` is the most prompts
    of each family for each ordered pair. `conditions` are the names, out of `CONDITIONS`, of what
    is run beside the steered answers; those that are run by default if None.
    """

    languages: Sequence[str] | None = None
    per_pair: int | None = None
    conditions: Sequence[str] | None = None
    max_new_tokens: int = 48
    chat: ChatOptions = field(default_factory=ChatOptions)
    quiet: bool = False
    seed: int = 0


def chosen(names: Sequence[str] | None) -> list[Condition]:
    """The steered condition and those named, in the order of `CONDITIONS`.

    Raises:
        LangsteerError: there is no such condition.
    """
    for name in names or ():
        if name not in CONDITIONS:
            raise LangsteerError(
                f"There is no condition {name!r}. Choose from {', '.join(CONDITIONS)}."
            )
    return [
        one
        for one in CONDITIONS.values()
        if one is STEERED or (one.default if names is None else one.name in names)
    ]


@dataclass
class Evaluation:
    """What was measured on one model with one space."""

    model: Model
    space: Space
    point: OperatingPoint
    outcomes: list[Outcome]
    seconds: dict[str, float]
    words: list[WordProbabilities] = field(default_factory=list)
    metrics: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """Condition → name → what `evaluation.metrics` lists, over all families."""
    cost: Cost | None = None
    unjudged: tuple[str, ...] = ()
    """Languages that the detector cannot tell: nothing was asked in them."""

    @property
    def families(self) -> dict[str, dict[str, Scores]]:
        """Family → condition → scores."""
        return by_family(self.outcomes)

    @property
    def pairs(self) -> list[PairScores]:
        """The steered rates of every ordered pair."""
        return by_pair(self.steered)

    @property
    def targets(self) -> dict[str, Scores]:
        """Target language → the steered scores over all its source languages."""
        return by_target(self.steered)

    @property
    def steered(self) -> list[Outcome]:
        """The steered outcomes."""
        return [one for one in self.outcomes if one.condition == STEERED.name]

    def _repr_html_(self) -> str:
        """What a notebook shows: the shares of every family under every condition."""
        rows = [
            (family, condition, *(percent(rate) for rate in _rates(found)))
            for family, conditions in self.families.items()
            for condition, found in conditions.items()
        ]
        head = ("family", "condition", "right language", "right meaning", "both")
        return table(head, rows, "percent [95 % bootstrap interval over concepts]")

    def as_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        return {
            "families": {
                name: {
                    **_scores_as_json(conditions[STEERED.name]),
                    "controls": {
                        condition: _scores_as_json(found)
                        for condition, found in conditions.items()
                        if condition != STEERED.name
                    },
                }
                for name, conditions in self.families.items()
            },
            "pairs": [asdict(pair) for pair in self.pairs],
            "intervals": [
                {"source": source, "target": target, **_scores_as_json(found)}
                for (source, target), found in scores_by_pair(self.steered).items()
            ],
            "targets": {target: _scores_as_json(found) for target, found in self.targets.items()},
            "metrics": {
                condition: {name: asdict(one) for name, one in found.items()}
                for condition, found in self.metrics.items()
            },
            "unjudged": list(self.unjudged),
            "cost": None if self.cost is None else asdict(self.cost),
            "operating_point": asdict(self.point),
            "seconds": self.seconds | {"total": sum(self.seconds.values())},
        }

    def write(
        self, folder: str | os.PathLike[str], descriptions: Mapping[str, str] | None = None
    ) -> Path:
        """Write the HTML page with its figures and downloads; return the page.

        `descriptions` says of each family what its prompts look like; families without one have no
        description on the page.

        Raises:
            ReportError: it cannot be written.
        """
        from langsteer.report.build import write  # noqa: PLC0415 - the door to the report

        return write(self, Path(folder), descriptions or {})


def evaluate(
    model: Model,
    space: Space,
    prompts: PromptSet,
    point: OperatingPoint,
    options: EvaluationOptions = EvaluationOptions(),
    *,
    timer: Timer | None = None,
) -> Evaluation:
    """Measure one operating point and its controls.

    Languages that the detector cannot tell are left out and named in the result.

    Args:
        model: the model, which the space must fit.
        space: where its languages lie.
        prompts: what to ask; none of them was used to choose the point.
        point: where and how strongly to steer.
        options: what is asked, and how.
        timer: takes the seconds of each stage and shows how far they are.

    Raises:
        LangsteerError: there is no such condition.
        LanguageError: the prompts and the languages have nothing in common.
    """
    conditions = chosen(options.conditions)
    timer = timer or Timer(options.quiet)
    wanted = options.languages or space.languages
    detector = default_detector(wanted)
    told = [language for language in wanted if language in detector.known]
    pairs = ordered_pairs(told)
    todo, neutral = cases(prompts, pairs), neutral_cases(prompts, pairs)
    if options.per_pair is not None:
        todo = sample_cases(todo, options.per_pair, options.seed)
    asking = Asking(options.max_new_tokens, options.chat)
    runner = Runner(model, space, Judge(prompts, detector), asking)
    outcomes: list[Outcome] = []
    for condition in conditions:
        with timer.answers(f"test: {condition.label}", runner.size(condition, todo)) as advance:
            runner.progress = advance
            outcomes += runner.run(condition, todo, point)
    with timer.answers("test: cost", cost_size(todo, neutral)) as advance:
        runner.progress = advance
        spent = cost(runner, todo, neutral, point)
    with timer.timed("metrics"):
        metrics = _metrics(model, outcomes, detector)
    lexical = [case for case in todo if case.prompt.lexical]
    with timer.timed("words by layer"):
        sampled = sample_cases(lexical, WORD_CASES_PER_PAIR, options.seed)
        words = word_probabilities(model, space, sampled, point, space.layers)
    return Evaluation(
        model,
        space,
        point,
        outcomes,
        dict(timer.seconds),
        words,
        metrics,
        spent,
        tuple(language for language in wanted if language not in detector.known),
    )


def _metrics(
    model: Model, outcomes: Sequence[Outcome], detector: Detector
) -> dict[str, dict[str, Estimate]]:
    """Condition → metrics; answers that several conditions share are looked at once."""
    likely = log_perplexities(model, [one.answer for one in outcomes])
    groups: dict[str, list[Measured]] = {}
    for one, found in zip(outcomes, measured(outcomes, detector, likely), strict=True):
        groups.setdefault(one.condition, []).append(found)
    return {condition: estimates(found) for condition, found in groups.items()}


def _rates(found: Scores) -> tuple[Rate | None, ...]:
    return found.language_rate, found.meaning, found.both


def _scores_as_json(found: Scores) -> dict[str, Any]:
    return {
        "language_rate": asdict(found.language_rate),
        "meaning": None if found.meaning is None else asdict(found.meaning),
        "both": None if found.both is None else asdict(found.both),
        "score": None if found.harmonic_mean is None else asdict(found.harmonic_mean),
        "prompts": found.prompts,
        "pairs": found.pairs,
    }
