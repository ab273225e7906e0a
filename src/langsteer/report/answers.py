"""From judged answers to the records of the report: examples, failures, confusion, every answer."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.conditions import CONDITIONS, PROMPTED, STEERED, UNSTEERED
from langsteer.evaluation.judge import normalised
from langsteer.evaluation.summary import Scores
from langsteer.report.data import ConfusionCount, Example, FailureKind, JudgedAnswer, MethodResult
from langsteer.text.degeneration import degenerate

PER_FAMILY = 4
"""Examples of each family that are shown."""
PER_FAILURE = 4
"""Examples of each kind of failure that are shown."""

STILL_SOURCE = "Still the language of the prompt"
THIRD = "A third language"
UNKNOWN = "Mixed, or no language for sure"
DEGENERATE = "Nothing, or the same again and again"
WRONG_MEANING = "Right language, wrong meaning"
KINDS: Mapping[str, str] = {
    STILL_SOURCE: "The answer stayed in the language of the prompt, or is a name that both "
    "languages share.",
    THIRD: "The answer left the language of the prompt and arrived in one that was not asked for.",
    UNKNOWN: "The answer speaks for no language clearly: languages are mixed, or there is too "
    "little text to tell.",
    WRONG_MEANING: "The answer is in the target language, but does not say what the key asks for.",
    DEGENERATE: "The answer has no letters and no digits, or it goes round in circles: at least "
    "half of its runs of four words stood in it before, or hardly any of its words are different.",
}
"""Kind of failure → what it is, in the order of the report."""

MOST_NAMES = 3
"""Alternatives of an expected answer that are written out."""


def failure_of(one: Outcome) -> str:
    """The kind of failure that an answer belongs to, a key of `KINDS`; "" where nothing is wrong.

    Kinds exclude one another. An answer that was judged right in language and meaning is never a
    failure; one that says nothing or loops is that first, whatever language it is in.
    """
    verdict = one.verdict
    if verdict.language_right and verdict.meaning_right:
        return ""
    if degenerate(one.answer):
        return DEGENERATE
    if verdict.language_right:
        return WRONG_MEANING if verdict.meaning_right is False else ""
    if verdict.language is None:
        return UNKNOWN
    return STILL_SOURCE if verdict.language == one.case.source else THIRD


def examples_of(outcomes: Sequence[Outcome], seed: int = 1) -> list[Example]:
    """A seeded random choice of steered answers from every family, good and bad as they come."""
    alone = unsteered_answers(outcomes)
    families: dict[str, list[Outcome]] = {}
    for one in steered(outcomes):
        families.setdefault(one.case.prompt.family, []).append(one)
    generator = random.Random(seed)
    return [
        example(one, alone)
        for found in families.values()
        for one in generator.sample(found, min(PER_FAMILY, len(found)))
    ]


def failures_of(outcomes: Sequence[Outcome], seed: int = 2) -> list[FailureKind]:
    """Every kind of failure of the steered answers, with seeded random examples of each.

    A kind that does not occur has a count of 0. Without a steered answer there are no kinds.
    """
    alone = unsteered_answers(outcomes)
    answers = steered(outcomes)
    if not answers:
        return []
    kinds: dict[str, list[Outcome]] = {name: [] for name in KINDS}
    for one in answers:
        if name := failure_of(one):
            kinds[name].append(one)
    generator = random.Random(seed)
    return [
        FailureKind(
            name,
            KINDS[name],
            len(found),
            len(answers),
            [example(one, alone) for one in spread(found, generator)],
        )
        for name, found in kinds.items()
    ]


def spread(outcomes: Sequence[Outcome], generator: random.Random) -> list[Outcome]:
    """A few outcomes at random, families taking turns."""
    turns = Counter[str]()
    ranked = []
    for place, one in enumerate(generator.sample(outcomes, len(outcomes))):
        family = one.case.prompt.family
        ranked.append((turns[family], place, one))
        turns[family] += 1
    return [one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])[:PER_FAILURE]]


def confusion_of(outcomes: Sequence[Outcome]) -> list[ConfusionCount]:
    """Target language against the language that came out, of the steered answers."""
    counts = Counter((one.case.target, one.verdict.language) for one in steered(outcomes))
    return [ConfusionCount(*languages, count) for languages, count in counts.items()]


def answers_of(outcomes: Sequence[Outcome]) -> list[JudgedAnswer]:
    """Every answer under every condition, in order; only steered ones can be failures."""
    return [
        JudgedAnswer(
            family=one.case.prompt.family,
            condition=one.condition,
            source=one.case.source,
            target=one.case.target,
            prompt=given(one),
            expected=expected(one),
            answer=one.answer,
            detected=one.verdict.language,
            right_language=one.verdict.language_right,
            right_meaning=one.verdict.meaning_right,
            failure=failure_of(one) if one.condition == STEERED.name else "",
        )
        for one in outcomes
    ]


def methods_of(families: Mapping[str, Mapping[str, Scores]]) -> list[MethodResult]:
    """The conditions as methods to be compared, one setting for each family."""
    return [
        MethodResult(
            CONDITIONS[name].label,
            family,
            found.both,
            found.language_rate,
            found.meaning,
            ours=name == STEERED.name,
        )
        for family, conditions in families.items()
        for name, found in conditions.items()
    ]


def steered(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of the steered condition."""
    return [one for one in outcomes if one.condition == STEERED.name]


def unsteered_answers(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Prompt → what the unsteered model wrote."""
    return {one.case.prompt.text: one.answer for one in outcomes if one.condition == UNSTEERED.name}


def given(one: Outcome) -> str:
    """The text that the model was given under the condition of an outcome."""
    prompt = one.case.prompt
    return prompt.instructed[one.case.target] if one.condition == PROMPTED.name else prompt.text


def expected(one: Outcome) -> str:
    """What a right answer holds: one name of each group of references; "" without any."""
    return ", ".join(map(either, one.case.prompt.references.get(one.case.target, ())))


def either(names: Sequence[str]) -> str:
    """Names of which one is enough: `Euro`, `July / Jul`, `Andorra / Armenia / … (64)`."""
    spelt: dict[str, str] = {}
    for name in names:
        spelt.setdefault(normalised(name), name)
    different = list(spelt.values())
    if len(different) <= MOST_NAMES:
        return " / ".join(different)
    return " / ".join([*different[: MOST_NAMES - 1], f"… ({len(different)})"])


def example(one: Outcome, alone: Mapping[str, str]) -> Example:
    """An outcome beside what the unsteered model wrote."""
    return Example(
        family=one.case.prompt.family,
        source=one.case.source,
        target=one.case.target,
        prompt=one.case.prompt.text,
        expected=expected(one),
        unsteered=alone.get(one.case.prompt.text, ""),
        steered=one.answer,
        right_language=one.verdict.language_right,
        right_meaning=one.verdict.meaning_right,
        detected=one.verdict.language,
    )
