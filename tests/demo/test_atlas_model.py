"""The embedded model really has languages, and steering changes them: on a small sample."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from langsteer.demo.run import MODEL
from langsteer.demo.tasks import MEASURED, matching_corpus, prompts
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.cases import Case, Outcome, cases, ordered_pairs, sample_cases
from langsteer.evaluation.conditions import CONDITIONS
from langsteer.evaluation.judge import Judge
from langsteer.evaluation.runner import Asking, Runner
from langsteer.evaluation.summary import by_family
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import default_detector

pytestmark = pytest.mark.slow

LANGUAGES = ("en", "de", "ru", "zh", "ja", "ar")
POINT = OperatingPoint(layers=(4,), strength=1.0, scope="generated")


@cache
def loaded() -> Model:
    return Model.from_pretrained(str(MODEL))


@cache
def space() -> Space:
    corpus = matching_corpus("fit", per_family=12).select(LANGUAGES)
    return fit(loaded(), corpus, Reading(pooling="last"))


@cache
def outcomes(condition: str) -> tuple[Outcome, ...]:
    asked = prompts("test", 3)
    todo = sample_cases(cases(asked, ordered_pairs(LANGUAGES)), 1)
    runner = Runner(loaded(), space(), Judge(asked, default_detector(LANGUAGES)), Asking(36))
    return tuple(runner.run(CONDITIONS[condition], todo, POINT))


@pytest.mark.parametrize("family", MEASURED)
def test_steering_changes_the_language_and_keeps_the_meaning(family: str) -> None:
    found = by_family(outcomes("steered"))[family]["steered"]
    assert found.language_rate.value >= 0.85
    assert found.meaning is not None
    assert found.meaning.value >= 0.7


@pytest.mark.parametrize("condition", ["unsteered", "random"])
def test_controls_leave_the_language_alone(condition: str) -> None:
    for found in by_family(outcomes(condition)).values():
        assert found[condition].language_rate.value <= 0.1


def test_unsteered_the_model_answers_rightly_in_its_own_language() -> None:
    asked = prompts("test", 6)
    own = [Case(prompt, prompt.language) for prompt in asked.prompts]
    runner = Runner(loaded(), space(), Judge(asked, default_detector(asked.languages)), Asking(36))
    for found in by_family(runner.run(CONDITIONS["unsteered"], own, POINT)).values():
        meaning = found["unsteered"].meaning
        assert meaning is not None
        assert meaning.value >= 0.95


def test_a_row_gets_its_own_language_whatever_its_neighbours_and_other_threads_do() -> None:
    text = 'Which currency is used in the country "Egypt"? "'
    rows = [None if to == "en" else space().edit("en", to, point=POINT) for to in LANGUAGES]

    def run(edits: list[object]) -> list[str]:
        model = loaded()
        return model.generate([text] * len(edits), edits, Generation(max_new_tokens=16))

    alone = [run([edit])[0] for edit in rows]
    assert len(set(alone)) == len(LANGUAGES)
    orders = [[(start + step) % len(rows) for step in range(len(rows))] for start in range(6)]
    with ThreadPoolExecutor(2) as pool:
        mixed = list(pool.map(lambda order: run([rows[number] for number in order]), orders))
    for order, answers in zip(orders, mixed, strict=True):
        assert answers == [alone[number] for number in order]
