"""From judged answers to the numbers that are reported."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from langsteer.data.answers import GivenAnswer
from langsteer.evaluation.aggregate import (
    Floats,
    Rate,
    Weighting,
    combined_rate,
    harmonic_mean,
    rate,
)
from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.metrics import Measured, measure
from langsteer.text.detect import Detector

Thing = TypeVar("Thing")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Scores:
    """Rates of a group of outcomes: right language, right meaning, and both at once.

    ``harmonic_mean`` is that of the first two. All but the first are None where no outcome has a
    key.
    """

    language_rate: Rate
    meaning: Rate | None
    both: Rate | None
    harmonic_mean: Rate | None
    prompts: int
    pairs: int


@dataclass(frozen=True)
class PairScores:
    """The plain rates of one ordered pair of languages."""

    source: str
    target: str
    language_rate: float
    meaning: float | None
    n: int


def scores(outcomes: Sequence[Outcome]) -> Scores:
    """Averages in which every ordered pair of languages weighs the same.

    Outcomes are drawn by concept in the bootstrap, see :mod:`langsteer.evaluation.aggregate`.

    Raises:
        LangsteerError: There are no outcomes.
    """
    language = rate([float(one.verdict.language_right) for one in outcomes], weighting(outcomes))
    keyed = [one for one in outcomes if one.verdict.meaning_right is not None]
    meaning = both = harmonic = None
    if keyed:
        columns: Floats = np.array(
            [[one.verdict.language_right, bool(one.verdict.meaning_right)] for one in keyed],
            dtype=np.float64,
        )
        weighed = weighting(keyed)
        meaning = rate(columns[:, 1].tolist(), weighed)
        joint: Floats = columns.prod(1)
        both = rate(joint.tolist(), weighed)
        harmonic = combined_rate(
            columns, lambda means: harmonic_mean(means[:, 0], means[:, 1]), weighed
        )
    return Scores(
        language_rate=language,
        meaning=meaning,
        both=both,
        harmonic_mean=harmonic,
        prompts=len({one.case.prompt.text for one in outcomes}),
        pairs=len({(one.case.source, one.case.target) for one in outcomes}),
    )


def grouped(things: Iterable[Thing], key: Callable[[Thing], Key]) -> dict[Key, list[Thing]]:
    """Things by what `key` says of each, in order of appearance."""
    groups: dict[Key, list[Thing]] = {}
    for one in things:
        groups.setdefault(key(one), []).append(one)
    return groups


def by_family(outcomes: Iterable[Outcome]) -> dict[str, dict[str, Scores]]:
    """Family → condition → scores, in order of appearance."""
    return {
        family: {
            condition: scores(answered)
            for condition, answered in grouped(found, lambda one: one.condition).items()
        }
        for family, found in grouped(outcomes, lambda one: one.case.prompt.family).items()
    }


def scores_by_pair(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Scores]:
    """Source and target → scores with intervals, sorted."""
    return {pair: scores(found) for pair, found in sorted(grouped(outcomes, _pair).items())}


def by_target(outcomes: Iterable[Outcome]) -> dict[str, Scores]:
    """Target language → scores over all its source languages, which weigh the same, sorted."""
    groups = grouped(outcomes, lambda one: one.case.target)
    return {target: scores(found) for target, found in sorted(groups.items())}


def measured(
    outcomes: Sequence[Outcome],
    detector: Detector,
    perplexities: Sequence[float | None] | None = None,
) -> list[Measured]:
    """All metrics of judged answers, see :mod:`langsteer.evaluation.metrics`.

    Beside those of any answer stand language and meaning as the verdicts have them: these look
    names up. A name alone has no first word whose language could be detected.

    Args:
        outcomes: Judged answers.
        detector: Says which language a text is in.
        perplexities: The logarithm of each answer's perplexity.
    """
    extra: dict[str, Sequence[float | None]] = {
        "right_language": [float(one.verdict.language_right) for one in outcomes],
        "right_meaning": [_number(one.verdict.meaning_right) for one in outcomes],
    }
    if perplexities is not None:
        extra["perplexity"] = perplexities
    found = measure([given(one) for one in outcomes], detector, extra=extra)
    return [
        _without_first_word(one) if outcome.case.prompt.lexical else one
        for one, outcome in zip(found, outcomes, strict=True)
    ]


def given(one: Outcome) -> GivenAnswer:
    """A judged answer as any other; it has references where one right answer is enough."""
    groups = one.case.prompt.expected(one.case.target)
    return GivenAnswer(
        text=one.answer,
        target=one.case.target,
        source=one.case.source,
        prompt=one.case.prompt.text,
        references=groups[0] if len(groups) == 1 else (),
        group=one.condition,
        dataset=one.case.prompt.family,
        cluster=cluster(one),
    )


def _without_first_word(one: Measured) -> Measured:
    values = {name: value for name, value in one.values.items() if name != "first_word"}
    return replace(one, values=values)


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)


def by_pair(outcomes: Iterable[Outcome]) -> list[PairScores]:
    """The rates of every ordered pair, sorted."""
    return [
        PairScores(
            source,
            target,
            float(np.mean([one.verdict.language_right for one in found])),
            _mean_or_none([one.verdict.meaning_right for one in found]),
            len(found),
        )
        for (source, target), found in sorted(grouped(outcomes, _pair).items())
    ]


def _mean_or_none(values: Iterable[bool | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def weighting(outcomes: Sequence[Outcome]) -> Weighting:
    """Every ordered pair of languages counts the same; outcomes of a concept are a cluster."""
    return Weighting.balanced(list(map(_pair, outcomes)), list(map(cluster, outcomes)))


def cluster(one: Outcome) -> str:
    """What an outcome shares with others: the last concept of its prompt, or the prompt."""
    return (one.case.prompt.concepts or (one.case.prompt.text,))[-1]


def _pair(one: Outcome) -> tuple[str, str]:
    return one.case.source, one.case.target
