"""The mechanics of the comparison with other methods; what it measures is in docs/benchmarks.md."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.texts import topic
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import items, matching_corpus
from langsteer.demo.world import world
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.evaluation.cases import Case
from langsteer.text.scripts import script_word

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "peers"))

import measure
from answers import answered, biased
from baselines import Prompting, asked, foreign
from corpora import CORPORA, WRONG, paired, topics_of
from document import page, write
from fitted import Fitted
from measure import Bench, Result, Size, drawn
from ours import FIRST, Ours, Point, around, candidate
from questions import ASKED, CLOSE, for_tuning, request
from recipes import line, quantiles, unit_shift
from scores import difference, mean_score, score
from settings import EASY, SETTINGS, named
from treatments import BUDGET, Candidate, Treatment, preferred

pytestmark = pytest.mark.slow

PLAIN = Candidate("nothing", lambda case: Treatment(case.prompt.text))


@pytest.fixture(scope="module")
def loaded() -> Model:
    return Model.from_pretrained(str(MODEL))


@pytest.fixture(scope="module")
def few(loaded: Model) -> Fitted:
    return Fitted(loaded, CORPORA["4"]())


def test_every_setting_has_its_texts_and_its_prompts_and_one_is_easy() -> None:
    assert all(one.fit in CORPORA and one.ask in ASKED for one in SETTINGS)
    assert [one.name for one in SETTINGS if one.easy] == [EASY]
    assert len({(one.fit, one.ask) for one in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize("ask", [name for name in ASKED if name != "long"])
def test_what_is_tested_was_not_seen_in_tuning(ask: str) -> None:
    tested = {one for case in ASKED[ask]("test").cases for one in case.prompt.concepts}
    tuned = {one for case in for_tuning().cases for one in case.prompt.concepts}
    assert tested
    assert not tested & tuned
    assert all(world().concepts[one].split == "test" for one in tested)


def test_long_lists_for_development_are_not_those_of_the_test() -> None:
    texts = [
        {case.prompt.text for case in ASKED["long"](split).cases} for split in ("tune", "test")
    ]
    assert not texts[0] & texts[1]


def test_close_pairs_are_the_only_ones() -> None:
    pairs = {frozenset((case.source, case.target)) for case in ASKED["close"]("test").cases}
    assert pairs == set(map(frozenset, CLOSE))


def test_a_named_language_is_neither_source_nor_target() -> None:
    for case in ASKED["named"]("test").cases[:60]:
        found = [one for one in world().languages if request(case.source, one) in case.prompt.text]
        assert len(found) == 1
        assert found[0] not in (case.source, case.target)


def test_a_tenth_of_the_labels_is_wrong_and_nothing_else_differs() -> None:
    right, wrong = matching_corpus().texts, CORPORA["labels"]().texts
    assert [one.text for one in right] == [one.text for one in wrong]
    changed = np.mean([a.language != b.language for a, b in zip(right, wrong, strict=True)])
    assert changed == pytest.approx(WRONG, abs=0.02)


def test_texts_are_on_the_topics_of_their_language() -> None:
    known = {
        item.id: topic(item)
        for family in ("translation", "question", "continuation")
        for item in items(family, "fit")
    }
    corpus = CORPORA["topics"]()
    assert all(known[str(one.concept)] in topics_of(one.language) for one in corpus.texts)
    assert topics_of("en") != topics_of("de")
    assert topics_of("en") & topics_of("de")


def test_pairs_share_concepts_and_use_no_text_twice() -> None:
    corpus = CORPORA["matching"]()
    pairs = paired(corpus, "de", "zh")
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert all(corpus.texts[a].language == "de" for a, _ in pairs)
    alike = [corpus.texts[a].concept == corpus.texts[b].concept for a, b in pairs]
    assert np.mean(alike) > 0.9


def test_a_line_through_sorted_values_finds_the_affine_map_between_them() -> None:
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)).double()
    scale, shift = torch.tensor([2.0, 0.5, 1.0, 3.0, 1.5]).double(), torch.arange(5).double()
    found = line(quantiles(x, 40), quantiles((x * scale + shift)[torch.randperm(40)], 40))
    torch.testing.assert_close(found(x), x * scale + shift)


def test_a_constant_coordinate_is_shifted_and_not_blown_up() -> None:
    found = line(torch.ones(6, 2), torch.full((6, 2), 3.0))
    torch.testing.assert_close(found(torch.ones(1, 2)), torch.full((1, 2), 3.0))
    torch.testing.assert_close(found.scale, torch.ones(2))


@given(st.floats(0.1, 50))
@settings(max_examples=10, deadline=None)
def test_a_unit_direction_is_as_long_as_its_strength(length: float) -> None:
    means = {"a": torch.zeros(3, 4), "b": torch.ones(3, 4)}
    shift = unit_shift(means, 1, length, "a", "b")[1]
    assert float(shift.change(torch.zeros(4)).norm()) == pytest.approx(length, rel=1e-5)


def test_the_mask_lets_only_the_script_of_the_target_through(loaded: Model) -> None:
    model, tokenizer = loaded.hf, loaded.tokenizer
    ids = tokenizer(["Which month is it?", "Monday"], padding=True, return_tensors="pt")
    bias = torch.where(foreign(tokenizer, "ru"), -torch.inf, 0.0)
    with torch.inference_mode(), biased(model, bias):
        best = model(**ids).logits.argmax(-1)
    scripts = {script_word(one) for text in tokenizer.batch_decode(best) for one in text}
    assert "LATIN" not in scripts
    with torch.inference_mode():
        free = model(**ids).logits.argmax(-1)
    assert "LATIN" in {script_word(one) for text in tokenizer.batch_decode(free) for one in text}


def test_prompting_names_the_target_and_keeps_the_quotation_mark_at_the_end() -> None:
    for case in for_tuning().cases[:40]:
        for place in ("after", "before", "both"):
            text = asked(case, place, in_target=True)
            assert text.endswith('"')
            own = world().language_names[case.target][case.target]
            assert own in text or world().labels[case.target] in text


def test_ours_stays_in_the_budget_and_prefers_its_order_among_equals(few: Fitted) -> None:
    assert len(FIRST) + len(around(FIRST[0])) <= BUDGET
    assert preferred([0.98, 0.99, 1.0]) == 0
    assert preferred([0.9, 0.99, 1.0]) == 1
    chosen = Ours().search(few, lambda candidates: [1.0] * len(candidates))
    assert chosen.label == str(FIRST[0])


def test_ours_takes_what_is_clearly_better(few: Fitted) -> None:
    best = around(FIRST[6])[3]
    values = {str(FIRST[6]): 0.5, str(best): 0.9}
    chosen = Ours().search(few, lambda given: [values.get(one.label, 0.1) for one in given])
    assert chosen.label == str(best)


def test_cases_under_many_candidates_come_back_in_order(loaded: Model, few: Fitted) -> None:
    few_cases = drawn(for_tuning(), 3)
    edit = candidate(few, Point("last", "difference", 3))
    first, second, third = answered(loaded, few_cases, [PLAIN, edit, PLAIN])
    assert [one.case for one in second] == list(few_cases.cases)
    assert [one.answer for one in first] == [one.answer for one in third]
    assert sum(one.verdict.language_right for one in second) > 0
    assert not any(one.verdict.language_right for one in first)


def test_a_method_over_its_budget_is_refused(loaded: Model, tmp_path: Path) -> None:
    class Greedy:
        name, fits = "greedy", False

        def search(self, fitted, scored):  # type: ignore[no-untyped-def]
            return scored([PLAIN] * (BUDGET + 1))

    with pytest.raises(LangsteerError, match="more than"):
        Bench(loaded, tmp_path, Size(2, 2)).measure(Greedy(), named(EASY))


def test_what_was_measured_is_not_measured_again(
    loaded: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Prompting("prompting", in_target=False)
    found = Bench(loaded, tmp_path, Size(2, 3)).measure(method, named(EASY))
    assert len(found.language) == 3
    monkeypatch.setattr(measure, "answered", None)
    again = Bench(loaded, tmp_path, Size(2, 3))
    assert again.measure(method, named(EASY)) == found
    # Prompting looks at no texts: a setting that only fits otherwise is the easy one.
    assert again.measure(method, named("plain text")).language == found.language


def made(method: str, right: float, seed: int = 0) -> list[Result]:
    generator = np.random.default_rng(seed)
    found = []
    for setting in SETTINGS:
        language = generator.random(60) < right
        found.append(
            Result(
                method,
                setting.name,
                "layer 3",
                16,
                1.0,
                2.0,
                500.0,
                [],
                [str(n % 20) for n in range(60)],
                language.tolist(),
                language.tolist(),
                [],
            )
        )
    return found


def test_scores_and_their_differences() -> None:
    good, bad = made("good", 0.9), made("bad", 0.4)
    assert score(good[0]).value == pytest.approx(np.mean(good[0].language))
    assert mean_score(good).value == pytest.approx(np.mean([np.mean(one.language) for one in good]))
    apart = difference(good, bad)
    assert apart.value == pytest.approx(mean_score(good).value - mean_score(bad).value)
    assert apart.low > 0
    assert difference(good, good).value == 0


def test_the_page_says_where_ours_is_above_and_where_it_is_below(tmp_path: Path) -> None:
    write([*made("ours", 0.9), *made("theirs", 0.4)], tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "lies above those of all other methods." in text
    assert "below zero, in: no setting." in text
    assert (tmp_path / "figures" / "benchmarks.png").stat().st_size > 10_000
    tables = {
        name: {one.setting: one for one in made(name, share)}
        for name, share in (("ours", 0.5), ("theirs", 0.9))
    }
    worse = page(tables)
    assert "all other methods except theirs" in worse
    assert all(f"{setting.name} (theirs" in worse for setting in SETTINGS)


def test_left_alone_the_model_writes_every_long_list(loaded: Model) -> None:
    asked_for = ASKED["long"]("test")
    alone = {case.source: Case(case.prompt, case.source) for case in asked_for.cases}
    asked_for = replace(asked_for, cases=tuple(alone.values()))
    (outcomes,) = answered(loaded, asked_for, [PLAIN])
    assert len(outcomes) == len(world().languages)
    assert all(one.verdict.meaning_right for one in outcomes)


def test_the_case_of_a_draw_is_a_case() -> None:
    assert all(isinstance(case, Case) for case in drawn(for_tuning(), 5).cases)
    assert drawn(for_tuning(), 5) == drawn(for_tuning(), 5)
