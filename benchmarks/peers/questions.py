"""What the methods are asked: prompts of concepts that belong to tuning or to testing."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from atlas.texts import full_list_prompt
from langsteer.data.prompts import Prompt, PromptSet
from langsteer.demo.documents import OPENING
from langsteer.demo.tasks import as_prompt, items, prompts
from langsteer.demo.templates import TEMPLATES
from langsteer.demo.world import Split, world
from langsteer.evaluation.cases import Case, cases, ordered_pairs, sample_cases

CLOSE = (("es", "pt"), ("ru", "uk"), ("de", "nl"))
EXAMPLES = 4
MAX_NEW_TOKENS = 24
LISTS: dict[Split, str] = {"fit": "day", "tune": "day", "test": "month"}
"""The list that each split asks for in full."""
LONG = 72
"""The most tokens of a list of all months."""


@dataclass(frozen=True)
class Asked:
    """Cases with the names that judge them, and how the answers are generated."""

    prompts: PromptSet
    cases: tuple[Case, ...]
    max_new_tokens: int = MAX_NEW_TOKENS
    temperature: float | None = None
    """None takes the likeliest token."""


@cache
def usual(split: Split) -> Asked:
    """One prompt of every family for every pair."""
    found = prompts(split, 12)
    return Asked(found, _sampled(found, ordered_pairs(found.languages), 1))


@cache
def for_tuning() -> Asked:
    """One prompt of any family for every pair, on the split for tuning."""
    found = prompts("tune", 4)
    every = cases(found, ordered_pairs(found.languages))
    return Asked(found, tuple(sample_cases(every, 1, families=False)))


def close(split: Split) -> Asked:
    """The close pairs alone, with as many prompts as all pairs have."""
    found = prompts(split, 24)
    both = [*CLOSE, *((second, first) for first, second in CLOSE)]
    return Asked(found, _sampled(found, both, 20))


def examples(split: Split) -> Asked:
    """Translations after examples in the language that is not wanted."""
    pool = items("translation", split, examples=EXAMPLES)
    made = [as_prompt(item, language) for item in pool for language in item.languages()]
    return _of(made, split, 3)


def long(split: Split) -> Asked:
    """All months, or for tuning all days of the week."""
    made = [full_list_prompt(language, LISTS[split]) for language in world().languages]
    return replace(_of(made, split, 1), max_new_tokens=LONG)


def named(split: Split) -> Asked:
    """Questions with the request to answer in a third language."""
    generator = random.Random(f"named:{split}")
    found = []
    base = _of(
        [
            as_prompt(item, language)
            for item in items("question", split)[:60]
            for language in world().languages
        ],
        split,
        3,
    )
    for case in base.cases:
        others = [one for one in world().languages if one not in (case.source, case.target)]
        text = insert(case.prompt.text, request(case.source, generator.choice(others)))
        found.append(Case(replace(case.prompt, text=text), case.target))
    return replace(base, cases=tuple(found))


def sampled(split: Split) -> Asked:
    """The usual prompts at temperature 1."""
    return replace(usual(split), temperature=1.0)


def request(language: str, target: str) -> str:
    """The sentence in ``language`` that asks to answer in ``target``."""
    name = world().language_names[language][target]
    return TEMPLATES[language].instruction.format(language=name)


def insert(prompt: str, request: str) -> str:
    """The request at the end of the prompt, before the quotation mark that opens the answer."""
    return f"{prompt.removesuffix(OPENING)} {request}{OPENING}"


def cluster(case: Case) -> str:
    """What the bootstrap draws: the concept asked for, or the list in its language."""
    if len(case.prompt.concepts) > EXAMPLES + 1:
        return f"{case.prompt.concepts[0]}:{case.source}"
    return case.prompt.concepts[-1]


def _of(made: Sequence[Prompt], split: Split, per_pair: int) -> Asked:
    found = PromptSet(tuple(made), prompts(split, 1).lexicon)
    every = cases(found, ordered_pairs(found.languages))
    return Asked(found, tuple(sample_cases(every, per_pair, seed=1)))


def _sampled(
    found: PromptSet, pairs: Sequence[tuple[str, str]], per_group: int
) -> tuple[Case, ...]:
    return tuple(sample_cases(cases(found, pairs), per_group, seed=1))


ASKED: dict[str, Callable[[Split], Asked]] = {
    "usual": usual,
    "close": close,
    "examples": examples,
    "long": long,
    "named": named,
    "sampled": sampled,
}
"""The ways of asking by name."""
