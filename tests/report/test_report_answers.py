"""Judged answers become failures, confusion and a list; none is lost or counted twice."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langsteer.data.prompts import Prompt
from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.conditions import CONDITIONS, PROMPTED, STEERED, UNSTEERED
from langsteer.evaluation.judge import Verdict
from langsteer.evaluation.summary import by_family
from langsteer.report.answers import (
    DEGENERATE,
    KINDS,
    MOST_NAMES,
    PER_FAILURE,
    STILL_SOURCE,
    THIRD,
    UNKNOWN,
    WRONG_MEANING,
    answers_of,
    confusion_of,
    either,
    examples_of,
    failure_of,
    failures_of,
    methods_of,
)
from langsteer.text.degeneration import degenerate

TAGS = ("de", "en", "fr")


def outcome(
    answer="Das ist ein Satz.",
    language="de",
    right=True,
    meaning=True,
    *,
    family="question",
    condition=STEERED.name,
    number=0,
) -> Outcome:
    """An answer to an English prompt that should be in German."""
    prompt = Prompt(
        f"prompt {number}",
        "en",
        family,
        references={"de": (("Satz", "Sätze", "satz"), ("eins",))},
        instructed={"de": f"prompt {number}, in German"},
    )
    return Outcome(Case(prompt, "de"), condition, answer, Verdict(language, right, meaning))


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (outcome(), ""),
        (outcome(meaning=None), ""),
        (outcome(language="en", right=False, meaning=False), STILL_SOURCE),
        (outcome(language="fr", right=False, meaning=None), THIRD),
        (outcome(language=None, right=False, meaning=False), UNKNOWN),
        (outcome(meaning=False), WRONG_MEANING),
        (outcome("", None, False, False), DEGENERATE),
        (outcome(' "…" ', None, False, False), DEGENERATE),
        (outcome("ja ja ja ja ja ja", "de", True, None), DEGENERATE),
        (outcome("no no no no no no", "en", False, False), DEGENERATE),
        # What was judged right in both stays right, whatever comes after it.
        (outcome("Satz Satz Satz Satz Satz", "de", True, True), ""),
    ],
)
def test_each_answer_has_its_kind(one, kind):
    assert failure_of(one) == kind


@pytest.mark.parametrize(
    "text", ["42", "hmmmm …", "no, no", "a b c d e f g h", "ha ha ha ha", "東京"]
)
def test_short_and_ordinary_texts_are_not_degenerate(text):
    assert not degenerate(text)


@given(st.lists(st.sampled_from(["one", "два", "trois"]), min_size=1, max_size=6))
def test_words_over_and_over_are_degenerate(piece):
    assert degenerate(" ".join(piece * 5))
    assert degenerate("東京" * 8)
    others = " ".join(map("".join, product("bcdfg", "aeiou", "lmnrs")))
    assert not degenerate(f"{others} {' '.join(piece * 5)}")


verdicts = st.builds(
    lambda language, meaning: (language, language == "de", meaning and language == "de"),
    st.sampled_from([*TAGS, None]),
    st.sampled_from([True, False, None]),
)
outcomes = st.lists(
    st.builds(
        lambda answer, verdict, family, condition, number: outcome(
            answer, *verdict, family=family, condition=condition, number=number
        ),
        st.sampled_from(["", "ein Satz", "la la la la la la la", '"']) | st.text(max_size=12),
        verdicts,
        st.sampled_from(["question", "list"]),
        st.sampled_from(list(CONDITIONS)),
        st.integers(0, 4),
    ),
    max_size=40,
)


@given(outcomes)
def test_kinds_count_every_failure_once(found):
    steered = [one for one in found if one.condition == STEERED.name]
    kinds = failures_of(found)
    assert [kind.name for kind in kinds] == (list(KINDS) if steered else [])
    counts = Counter(map(failure_of, steered))
    for kind in kinds:
        assert (kind.count, kind.total) == (counts[kind.name], len(steered))
        assert len(kind.examples) == min(kind.count, PER_FAILURE)
    wrong = [
        one
        for one in steered
        if not one.verdict.language_right or one.verdict.meaning_right is False
    ]
    loops = [one for one in steered if one not in wrong and failure_of(one)]
    assert sum(kind.count for kind in kinds) == len(wrong) + len(loops)
    assert all(failure_of(one) == DEGENERATE for one in loops)
    assert failures_of(found) == kinds


@given(outcomes)
def test_list_holds_every_answer_and_agrees_with_the_counts(found):
    listed = answers_of(found)
    assert [one.answer for one in listed] == [one.answer for one in found]
    counts = Counter(one.failure for one in listed if one.failure)
    assert counts == Counter({kind.name: kind.count for kind in failures_of(found) if kind.count})
    assert {one.condition for one in listed if one.failure} <= {STEERED.name}
    cells = Counter((one.target, one.detected) for one in listed if one.condition == STEERED.name)
    assert cells == Counter({(one.target, one.detected): one.count for one in confusion_of(found)})


def test_examples_of_a_kind_come_from_all_families():
    found = [outcome(meaning=False, number=number) for number in range(50)]
    found += [outcome(meaning=False, family="list", number=60)]
    (kind,) = [kind for kind in failures_of(found) if kind.name == WRONG_MEANING]
    assert {example.family for example in kind.examples} == {"question", "list"}


def test_example_shows_what_was_given_expected_and_written():
    found = [outcome("Une phrase.", "fr", False, False), outcome("A.", condition=UNSTEERED.name)]
    (example,) = examples_of(found)
    assert (example.source, example.target, example.detected) == ("en", "de", "fr")
    assert (example.prompt, example.expected) == ("prompt 0", "Satz / Sätze, eins")
    assert (example.steered, example.unsteered) == ("Une phrase.", "A.")
    (asked,) = answers_of([outcome(condition=PROMPTED.name)])
    assert asked.prompt == "prompt 0, in German"


@given(st.lists(st.from_regex("[a-z]{1,3}", fullmatch=True), min_size=1, max_size=9))
def test_expected_names_say_how_many_there_are(names):
    different = list(dict.fromkeys(names))
    shown = either([*names, names[0].upper()]).split(" / ")
    if len(different) <= MOST_NAMES:
        assert shown == different
    else:
        assert shown == [*different[: MOST_NAMES - 1], f"… ({len(different)})"]


def test_conditions_are_methods_and_steering_is_ours():
    found = [outcome(condition=condition, number=n) for condition in CONDITIONS for n in (0, 1)]
    found += [outcome(meaning=None, family="open", number=n) for n in (0, 1)]
    families = by_family(found)
    methods = methods_of(families)
    assert len(methods) == len(CONDITIONS) + 1
    assert {one.method for one in methods if one.ours} == {"steered"}
    for one in methods:
        assert (one.both is None) == (one.setting == "open")
        assert one.language_rate is not None
