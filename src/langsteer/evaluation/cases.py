"""What is asked in which language, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from langsteer.data.prompts import Prompt, PromptSet
from langsteer.errors import LanguageError
from langsteer.evaluation.judge import Verdict, answerable, distinguishable


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
    condition: str
    """The name of what was done, see :mod:`langsteer.evaluation.conditions`."""
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


def sample_cases(
    cases: Sequence[Case], per_group: int, seed: int = 0, *, families: bool = True
) -> list[Case]:
    """At most ``per_group`` cases of every ordered pair of languages, and of every family in it.

    Without ``families`` each pair has ``per_group`` cases in all, of whichever family.
    """
    generator = random.Random(seed)
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        family = (case.prompt.family,) if families else ()
        groups.setdefault((*family, case.source, case.target), []).append(case)
    return [
        case
        for group in groups.values()
        for case in generator.sample(group, min(per_group, len(group)))
    ]
