"""Tuning finds the best configuration cheaply, asks only what it is given, and survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

import tiny
from langsteer.cli import app
from langsteer.data.prompts import Prompt, PromptSet, write_prompts
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import MEASURED, matching_corpus, prompts
from langsteer.demo.world import SPLITS, world
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.prefix import can_share, shared_prefix
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import LangsteerError, SpaceError
from langsteer.evaluation.cases import Case, Outcome, cases, ordered_pairs, sample_cases
from langsteer.evaluation.judge import Judge, Verdict, has_meaning
from langsteer.evaluation.objective import objective
from langsteer.evaluation.runner import Asking, Runner
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, PairPoint, Space
from langsteer.statistics import Statistics
from langsteer.text.degeneration import degenerate as repeats
from langsteer.text.detect import default_detector
from langsteer.tuning import (
    Journal,
    SearchOptions,
    TuningOptions,
    best_layers,
    rank_layers,
    tune,
    tune_space,
)
from langsteer.tuning.cases import in_order
from langsteer.tuning.comparing import compare, surely_better
from langsteer.tuning.degenerate import is_degenerate
from langsteer.tuning.parallel import forced_texts
from langsteer.tuning.prediction import rank_correlation
from langsteer.tuning.table import place

LANGUAGES = ("de", "en", "fr", "ja")
CASES = [
    Case(Prompt(f"{family} {number} {source}", source, family=family), target)
    for source, target in ordered_pairs(LANGUAGES)
    for family in ("a", "b")
    for number in range(20)
]
LAYERS = range(6)
TOKENS = 10


class Believer:
    """Answers rightly with a chance that depends on the configuration alone, always alike.

    What makes a case hard is the same for all configurations, as it is with real prompts.
    """

    def __init__(self, best_layer: int = 2, best_strength: float = 1.0) -> None:
        self.best_layer, self.best_strength = best_layer, best_strength
        self.tokens = 0
        self.asked: list[Case] = []
        self.points: list[OperatingPoint] = []
        self.batches = 0

    def share(self, case: Case, point: OperatingPoint) -> float:
        away = abs(point.layers[0] - self.best_layer) * 0.2
        away += abs(np.log(point.strength / self.best_strength)) * 0.7
        return float(max(0.0, 0.95 - away - 0.1 * (point.scope == "all")))

    def answer(self, case: Case, point: OperatingPoint) -> str:
        return "some words that say something"

    def steer(
        self, condition: str, todo: Sequence[Case], points: Sequence[OperatingPoint]
    ) -> list[Outcome]:
        self.batches += 1
        self.tokens += TOKENS * len(todo)
        self.asked += todo
        self.points += points
        found = []
        for case, point in zip(todo, points, strict=True):
            hardness = np.random.default_rng(hash_of(case)).random()
            right = bool(hardness < self.share(case, point))
            verdict = Verdict(case.target if right else case.source, right, None)
            found.append(Outcome(case, condition, self.answer(case, point), verdict))  # type: ignore[arg-type]
        return found


def hash_of(case: Case) -> int:
    return zlib.crc32(f"{case.prompt.text} {case.target}".encode())


@pytest.mark.parametrize("best", [(2, 1.0), (4, 1.5), (0, 0.6)])
def test_it_finds_the_best_layer_scope_and_strength_within_the_budget(
    best: tuple[int, float],
) -> None:
    runner = Believer(*best)
    found = tune(runner, CASES, SearchOptions(layers=LAYERS, budget=20_000))
    assert (found.point.layers, found.point.scope) == ((best[0],), "generated")
    assert abs(np.log(found.point.strength / best[1])) < 0.2
    assert found.point.split == "tune"
    assert found.point.scores["language_rate"] > 0.85
    assert found.tokens == runner.tokens == found.point.evidence["tokens"] <= 20_000
    assert found.answers == len(runner.asked)


def test_configurations_are_compared_on_the_same_cases_and_none_is_asked_twice() -> None:
    runner = Believer()
    found = tune(runner, CASES, SearchOptions(layers=LAYERS, budget=10_000))
    asked: dict[object, list[int]] = {}
    for case, point in zip(runner.asked, runner.points, strict=True):
        asked.setdefault(place(point), []).append(id(case))
    order = [id(case) for case in in_order(CASES)]
    for point, trial in zip(asked, found.trials, strict=True):
        cases_of = asked[point]
        assert len(set(cases_of)) == len(cases_of) >= trial.cases
        # Beyond the common order come the pairs that were looked at again.
        assert set(cases_of[: trial.cases]) == set(order[: trial.cases])


def test_two_that_are_close_are_asked_more_until_one_is_better() -> None:
    class Close(Believer):
        def share(self, case: Case, point: OperatingPoint) -> float:
            by_layer = {0: 0.80, 1: 0.86, 2: 0.2, 3: 0.2}[point.layers[0]]
            return by_layer - 0.3 * abs(float(np.log(point.strength)))

    found = tune(Close(), CASES, SearchOptions(layers=range(4), scopes=["all"], budget=12_000))
    most = sorted(trial.cases for trial in found.trials)[-2:]
    assert found.point.layers == (1,)
    assert most[0] == most[1] > min(trial.cases for trial in found.trials)
    assert found.tokens <= 12_000
    clear = tune(Believer(1), CASES, SearchOptions(layers=range(4), scopes=["all"], budget=12_000))
    assert clear.tokens < found.tokens


def test_of_equals_it_takes_the_map_as_it_was_estimated() -> None:
    class Always(Believer):
        def share(self, case: Case, point: OperatingPoint) -> float:
            return 1.0

    found = tune(Always(), CASES, SearchOptions(layers=[3, 1]))
    assert (found.point.layers, found.point.strength) == ((3,), 1)


def test_a_configuration_that_only_stammers_is_looked_at_once() -> None:
    class Stammering(Believer):
        def answer(self, case: Case, point: OperatingPoint) -> str:
            return "ba " * 30 if point.layers[0] == 2 else "some words"

    found = tune(Stammering(best_layer=2), CASES, SearchOptions(layers=LAYERS, budget=20_000))
    assert found.point.layers[0] in (1, 3)
    assert {trial.cases for trial in found.trials if trial.point.layers == (2,)} == {12}


def test_a_pair_has_its_own_point_only_where_the_cases_show_it() -> None:
    class OnePairElsewhere(Believer):
        def share(self, case: Case, point: OperatingPoint) -> float:
            odd = (case.source, case.target) == ("en", "ja")
            # At the first layer everything but this pair is a little worse.
            by_layer = {0: 0.95 if odd else 0.8, 1: 0.1 if odd else 0.97}[point.layers[0]]
            return by_layer - 0.3 * abs(float(np.log(point.strength)))

    found = tune(
        OnePairElsewhere(), CASES, SearchOptions(layers=[0, 1], scopes=["all"], budget=40_000)
    )
    assert found.point.layers == (1,)
    (own,) = found.point.pairs
    assert (own.source, own.target, own.layers) == ("en", "ja", (0,))
    assert own.scores["objective"] > own.scores["objective_of_all"]
    assert found.point.of("en", "ja").layers == (0,)
    assert found.point.of("en", "de").layers == (1,)
    assert not tune(Believer(1), CASES, SearchOptions(layers=[0, 1], budget=40_000)).point.pairs


def test_pairs_that_do_badly_everywhere_stay_with_the_others() -> None:
    class Hard(Believer):
        def share(self, case: Case, point: OperatingPoint) -> float:
            return 0.7 - 0.01 * point.layers[0]

    found = tune(Hard(), CASES, SearchOptions(layers=[0, 1], scopes=["all"], budget=40_000))
    assert found.point.scores["objective"] < 0.8
    assert not found.point.pairs


def test_wins_that_can_be_chance_are_no_proof() -> None:
    assert surely_better(6, 0, 1)
    assert not surely_better(5, 0, 1)
    assert not surely_better(6, 0, 10)
    assert not surely_better(9, 3, 1)


def test_it_never_asks_a_case_that_it_was_not_given() -> None:
    runner = Believer()
    tune(runner, CASES[:60], SearchOptions(layers=LAYERS, budget=10_000))
    assert {id(case) for case in runner.asked} <= {id(case) for case in CASES[:60]}


@pytest.mark.parametrize(
    "wrong", [{"layers": []}, {"scopes": []}, {"estimators": []}, {"budget": 0}]
)
def test_nothing_to_try_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(LangsteerError):
        tune(Believer(), CASES, SearchOptions(**{"layers": [0], **wrong}))  # type: ignore[arg-type]
    with pytest.raises(LangsteerError, match="at least one prompt"):
        tune(Believer(), [], SearchOptions([0]))


def test_the_beginning_of_the_order_stands_for_all() -> None:
    order = in_order(CASES, 3)
    assert sorted(map(id, order)) == sorted(map(id, CASES))
    pairs = len(ordered_pairs(LANGUAGES))
    for start in range(0, len(order), pairs):
        part = order[start : start + pairs]
        assert len({(case.source, case.target) for case in part}) == pairs
        assert sum(case.prompt.family == "a" for case in part) == pairs / 2


def test_samples_take_the_same_number_of_every_group() -> None:
    found = sample_cases(CASES, 2)
    assert len(found) == len(set(map(id, found))) == 2 * 2 * len(ordered_pairs(LANGUAGES))
    assert sample_cases(CASES, 2) == found
    assert len(sample_cases(CASES, 99)) == len(CASES)


verdicts = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc"), st.sampled_from("xyz")),
    min_size=1,
    max_size=20,
)


@settings(max_examples=30, deadline=None)
@given(verdicts)
def test_what_is_compared_is_the_objective(rows: list[tuple[bool, bool, str, str]]) -> None:
    outcomes = [
        Outcome(
            Case(Prompt("?", "en", family=family, concepts=(concept,)), "de"),
            "steered",
            "",
            Verdict("de", right, None if family == "c" else meaning and right),
        )
        for right, meaning, family, concept in rows
    ]
    compared = compare([outcomes, outcomes])
    assert compared.value == pytest.approx([objective(outcomes)] * 2)
    assert compared.gain(0, 1) == (0, 0)


def test_stammering_is_told_from_lists() -> None:
    assert repeats("ja " * 20)
    assert repeats("哈" * 20)
    assert not repeats("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, Monday")
    case = CASES[0]
    for answer, language in (("", "de"), ("!?", "de"), ("words", None)):
        assert is_degenerate(Outcome(case, "steered", answer, Verdict(language, False, None)))
    assert not is_degenerate(Outcome(case, "steered", "word", Verdict("en", False, None)))


# The journal.


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("after", [1, 6, 11])
def test_a_search_that_was_killed_goes_on_to_the_same_choice(tmp_path: Path, after: int) -> None:
    class Mortal(Believer):
        def steer(
            self, condition: str, todo: Sequence[Case], points: Sequence[OperatingPoint]
        ) -> list[Outcome]:
            if self.batches == after:
                raise KilledError
            return super().steer(condition, todo, points)

    def search(runner: Believer, path: Path | None) -> object:
        journal = None if path is None else Journal(path, {"model": "m"})
        return tune(runner, CASES, SearchOptions(layers=LAYERS, budget=20_000), journal=journal)

    whole = Believer()
    expected = search(whole, None)
    assert after < whole.batches
    path = tmp_path / "journal"
    with pytest.raises(KilledError):
        search(Mortal(), path)
    with path.open("ab") as file:
        file.write(b'{"key": "half a li')
    second = Believer()
    assert search(second, path) == expected
    assert second.batches == whole.batches - after
    third = Believer()
    assert search(third, path) == expected
    assert third.batches == 0


def test_a_journal_of_another_search_is_refused_by_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path, {"model": "m", "seed": 0}).write("key", [1])
    assert Journal(path, {"model": "m", "seed": 0}).get("key") == [1]
    with pytest.raises(LangsteerError, match=r"another search.*seed: 0, now 1"):
        Journal(path, {"model": "m", "seed": 1})
    path.write_text("not a journal\n")
    with pytest.raises(LangsteerError, match="not a line of a tuning journal"):
        Journal(path, {})


def test_a_damaged_entry_is_one_error_that_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path, {}).write("key", {"tokens": 1, "answers": ["a \ud800 surrogate"]})
    head, entry = path.read_bytes().splitlines(keepends=True)
    assert Journal(path, {}).get("key")["answers"] == ["a \ud800 surrogate"]  # type: ignore[index]
    damaged = [entry.replace(b"1", b"2", 1), b"[]\n", b"3\n", b"\xff\n", b"[" * 100_000 + b"\n"]
    for line in (*damaged, b'{"key": [], "value": 1, "checksum": ""}\n', b"{}\n", b"null\n"):
        path.write_bytes(head + line)
        with pytest.raises(LangsteerError, match=r"journal:2 .*Delete that line"):
            Journal(path, {})


@pytest.mark.slow
def test_a_journal_is_of_one_space_one_lexicon_and_one_detector(tmp_path: Path) -> None:
    """Whatever changes an answer or its verdict is in the head, so the journal is refused."""
    heads = []
    spaces = [
        fit(
            Model.from_pretrained(str(MODEL)),
            matching_corpus(seed=seed),
            Reading(layers=(4,), pooling="last"),
            progress=False,
        )
        for seed in (0, 1)
    ]
    asked = prompts("tune", 1)
    other = PromptSet(asked.prompts, {**asked.lexicon, "de": frozenset({"Etwas"})})
    model = Model.from_pretrained(str(MODEL))
    for number, (space, asked_now, languages) in enumerate(
        [
            (spaces[0], asked, ("de", "en")),
            (spaces[1], asked, ("de", "en")),
            (spaces[0], other, ("de", "en")),
            (spaces[0], asked, ("de", "en", "fr")),
        ]
    ):
        path = tmp_path / f"{number}.jsonl"
        options = TuningOptions(
            scopes=("all",), languages=languages, per_pair=1, budget=1, journal=path, quiet=True
        )
        tune_space(model, space, asked_now, options)
        heads.append(json.loads(path.read_text().splitlines()[0])["settings"])
    first, *others = heads
    changed = [{name for name in first if first[name] != head[name]} for head in others]
    assert changed[0] >= {"tensors"}
    assert changed[1] == {"lexicon"}
    assert changed[2] >= {"detector", "cases"}


@pytest.mark.parametrize(
    "change", [{"stop": "."}, {"references": {"de": (("x",),)}}, {"family": "other"}]
)
def test_old_verdicts_are_not_used_for_a_prompt_that_changed(
    tmp_path: Path, change: dict[str, object]
) -> None:
    def search(asked: Sequence[Case]) -> int:
        runner = Believer()
        tune(
            runner,
            asked,
            SearchOptions(layers=[1], budget=500),
            journal=Journal(tmp_path / "journal", {}),
        )
        return runner.batches

    first = search(CASES[:30])
    assert first > 0
    assert search(CASES[:30]) == 0
    changed = [replace(one, prompt=replace(one.prompt, **change)) for one in CASES[:30]]
    assert search(changed) > 0


@given(st.integers(min_value=0))
@settings(max_examples=30, deadline=None)
def test_wherever_a_journal_is_cut_its_whole_lines_count(tmp_path_factory, cut: int) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("cut") / "journal"
    first = Journal(path, {"seed": 0})
    for number in range(3):
        first.write(f"key {number}", "ü" * number)
    data = path.read_bytes()
    path.write_bytes(data[: cut % (len(data) + 1)])
    again = Journal(path, {"seed": 0})
    kept = len(again)
    assert kept == max(0, path.read_bytes().count(b"\n") - 1)
    for number in range(kept, 3):
        again.write(f"key {number}", "ü" * number)
    assert path.read_bytes() == data


# On the embedded model.


@pytest.fixture(scope="module")
def world_of_three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A space of three languages and a file of prompts for tuning."""
    folder = tmp_path_factory.mktemp("tuning")
    corpus = matching_corpus("fit", 20).select(("en", "de", "ja"))
    fit(Model.from_pretrained(str(MODEL)), corpus, Reading(pooling="last"), progress=False).save(
        folder / "space"
    )
    asked = [one for one in prompts("tune", 3).prompts if one.language in ("en", "de", "ja")]
    write_prompts(asked, folder / "tune.jsonl")
    return folder / "space", folder / "tune.jsonl"


def arguments(space: Path, asked: Path) -> list[str]:
    options = ["--max-new-tokens", "6", "--budget", "600", "--layers", "2,3", "--json"]
    return ["tune", str(MODEL), "--space", str(space), "--prompts", str(asked), *options]


@pytest.mark.slow
def test_a_process_killed_in_its_search_goes_on_to_the_same_choice(
    world_of_three: tuple[Path, Path], tmp_path: Path
) -> None:
    space, asked = world_of_three
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for path in (whole, killed):
        path.write_bytes(space.read_bytes())
    journal = killed.with_name("killed.tuning.jsonl")
    with subprocess.Popen(
        [sys.executable, "-m", "langsteer.cli", *arguments(killed, asked)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 3)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert Space.load(killed).operating_point is None
    before = journal.read_bytes().count(b"\n")
    resumed, first = (CliRunner().invoke(app, arguments(path, asked)) for path in (killed, whole))
    assert before > 3
    assert json.loads(resumed.stdout) == json.loads(first.stdout)
    assert Space.load(killed).operating_point == Space.load(whole).operating_point
    assert Space.load(whole).operating_point is not None
    assert not journal.exists()


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_space_keeps_the_points_of_pairs_and_reads_older_ones(
    world_of_three: tuple[Path, Path], tmp_path: Path
) -> None:
    own = PairPoint("en", "ja", (5,), 0.5, "generated", "mean", {"objective": 0.9})
    point = OperatingPoint((3,), 1.5, pairs=(own,), evidence={"cases": 3, "trials": [{"a": 1}]})
    space = Space.load(world_of_three[0]).with_operating_point(point)
    path = tmp_path / "space"
    space.save(path)
    assert Space.load(path).operating_point == point
    edit = space.edit("en", "ja", point=point)
    assert (list(edit.maps), edit.strength, str(edit.scope)) == ([5], 0.5, "generated")
    assert list(space.edit("ja", "en", point=point).maps) == [3]
    with pytest.raises(SpaceError, match="Layer 99"):
        space.with_operating_point(replace(point, pairs=(replace(own, layers=(99,)),)))
    # A space that was written before there were points of pairs.
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["langsteer"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["operating_point"]["pairs"], header["operating_point"]["evidence"]
    save_file(tensors, path, metadata={"langsteer": json.dumps(header)})
    assert Space.load(path).operating_point == OperatingPoint((3,), 1.5)


def test_tuning_asks_the_prompts_of_the_file_and_no_others(
    world_of_three: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    real = Runner.steer

    def steer(self: Runner, condition: str, todo: Sequence[Case], points: object) -> list[Outcome]:
        asked.update(case.prompt.text for case in todo)
        return real(self, condition, todo, points)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "steer", steer)
    given_prompts = PromptSet(
        tuple(one for one in prompts("tune", 2).prompts if one.language in ("en", "de"))
    )
    tune_space(
        Model.from_pretrained(str(MODEL)),
        Space.load(world_of_three[0]),
        given_prompts,
        TuningOptions(
            languages=("en", "de"),
            layers=[3],
            scopes=["all"],
            budget=300,
            asking=Asking(4),
            quiet=True,
        ),
    )
    assert asked
    assert asked <= {one.text for one in given_prompts.prompts}
    assert not asked & {one.text for one in prompts("test", 12).prompts}


def test_the_prompts_for_tuning_and_testing_share_no_concept_and_no_text() -> None:
    concepts, texts = {}, {}
    for split in SPLITS:
        found = prompts(split, 50).prompts
        concepts[split] = {concept for one in found for concept in one.concepts}
        texts[split] = {one.text for one in found}
        assert {one.family for one in found} == set(MEASURED)
        assert {world().concepts[name].split for name in concepts[split]} == {split}
    for first, second in ordered_pairs(SPLITS):
        assert not concepts[first] & concepts[second]
        assert not texts[first] & texts[second]
    fitted = {one.text for one in matching_corpus("fit").texts}
    assert not fitted & (texts["tune"] | texts["test"])


# What the statistics promise.


def planted(alignment: Sequence[float], apart: Sequence[float]) -> Statistics:
    """Layers with languages so far apart and concepts so well aligned; 16 coordinates."""
    generator = np.random.default_rng(0)
    size, width = 60, 16
    statistics = Statistics.empty(range(len(alignment)), width, LANGUAGES)
    shift = generator.normal(size=(len(LANGUAGES), width))
    shared = generator.normal(size=(size, width))
    rows, tags, names = [], [], []
    for number, language in enumerate(LANGUAGES):
        own = generator.normal(size=(size, len(alignment), width))
        for concept in range(size):
            layers = [
                far * shift[number] + np.sqrt(same) * shared[concept] + np.sqrt(1 - same) * noise
                for same, far, noise in zip(alignment, apart, own[concept], strict=True)
            ]
            rows.append(layers)
            tags.append(language)
            names.append(str(concept))
    statistics.update(torch.tensor(np.array(rows)), torch.ones(len(rows)), tags, names)
    return statistics


def test_a_layer_promises_more_the_farther_its_languages_and_the_closer_its_concepts() -> None:
    found = rank_layers(planted([0.9, 0.9, 0.9, 0.3], [0.1, 0.5, 2, 2]))
    scores = [one.score for one in found]
    assert scores[0] < scores[1] < scores[2] > scores[3]
    assert all(0 <= one.score <= 1 and 0.5 <= one.separability <= 1 for one in found)
    assert [one.alignment for one in found] == pytest.approx([0.9, 0.9, 0.9, 0.3], abs=0.1)
    assert found[2].separability == found[3].separability or found[2].separability > 0.99


def test_without_aligned_texts_there_is_no_alignment() -> None:
    statistics = planted([0.5] * 6, [0, 0.2, 0.5, 1, 2, 3])
    alone = Statistics.empty(statistics.layers, statistics.width, LANGUAGES)
    alone.moments = statistics.moments
    found = rank_layers(alone)
    assert all(one.alignment is None for one in found)
    assert [one.score for one in found] == sorted(one.score for one in found)
    assert best_layers(found) == (2, 3, 4, 5)


def test_rank_correlation_by_hand() -> None:
    assert rank_correlation({0: 1, 1: 2, 2: 3}, {0: 5, 1: 6, 2: 9}) == pytest.approx(1)
    assert rank_correlation({0: 1, 1: 2, 2: 3}, {0: 3, 1: 1, 2: 2}) == pytest.approx(-0.5)
    assert rank_correlation({0: 1, 1: 1, 2: 2}, {0: 1, 1: 2, 2: 3}) == pytest.approx(3**0.5 / 2)


@pytest.mark.slow
def test_the_layers_that_promise_most_on_the_embedded_model_are_those_that_work() -> None:
    corpus = matching_corpus("fit", 20)
    space = fit(Model.from_pretrained(str(MODEL)), corpus, Reading(pooling="last"), progress=False)
    assert set(best_layers(rank_layers(space.statistics))) >= {3, 4}


def test_all_cases_of_the_embedded_prompts_can_be_ordered() -> None:
    found = prompts("tune", 2)
    every = cases(found, ordered_pairs(found.languages))
    pairs = len({(case.source, case.target) for case in every})
    start = in_order(every)[:pairs]
    assert len({(case.source, case.target) for case in start}) == pairs


# Equal rows share the layers below the edit.


@pytest.mark.parametrize(
    "family", ["llama", "mistral", "qwen3", "gpt2", "gpt_neox", "phi", "olmo2"]
)
@pytest.mark.parametrize("last", [0, 1])
def test_rows_that_share_their_prompt_write_what_they_write_alone(family: str, last: int) -> None:
    stream, tokenizer = ResidualStream(tiny.shared(family)), tiny.tokenizer()
    assert can_share(stream, last)
    texts = ["ab", "a longer one", "ab", "ab", "a longer one", "x"]
    generator = torch.Generator().manual_seed(1)
    shift = Shift(torch.randn(tiny.WIDTH, generator=generator))
    edits = [
        Edit({last: shift}, strength, Scope.parse(scope))
        for strength, scope in zip((1, 2, 0.5) * 2, ("all",) * 3 + ("generated",) * 3, strict=True)
    ]
    alone = Model(stream.model, tokenizer).generate(texts, edits, Generation(max_new_tokens=6))
    with shared_prefix(stream, last) as saved:
        together = Model(stream.model, tokenizer).generate(
            texts, edits, Generation(max_new_tokens=6)
        )
    assert together == alone
    assert len(set(together)) > len(set(texts))
    assert saved == [3]
    assert (
        Model(stream.model, tokenizer).generate(texts, edits, Generation(max_new_tokens=6)) == alone
    )
    assert not any("forward" in vars(block) for block in stream.layers)


def test_another_thread_writes_the_same_while_a_prefix_is_shared() -> None:
    """Bit for bit, logits included: sharing is seen by the context that asked for it alone."""
    stream, tokenizer = ResidualStream(tiny.shared("llama")), tiny.tokenizer()
    model = Model(stream.model, tokenizer)
    texts = ["ab", "a longer one", "ab", "ab", "a longer one", "x"]
    edit = Edit({1: Shift(torch.ones(tiny.WIDTH))})
    alone, steered = model.generate(texts, None, Generation(6)), model.generate(texts, edit)
    ids = torch.tensor([[1, 2, 3]] * 4)
    with torch.inference_mode():
        before = stream.model(input_ids=ids).logits
    inside, done = Event(), Event()
    found: list[object] = []

    def other() -> None:
        inside.wait(30)
        for _ in range(5):
            found.append(model.generate(texts, None, Generation(6)))
        with torch.inference_mode():
            found.append(torch.equal(stream.model(input_ids=ids).logits, before))
        done.set()

    thread = Thread(target=other)
    thread.start()
    with shared_prefix(stream, 1) as saved:
        inside.set()
        shared = [model.generate(texts, edit)]
        while not done.is_set():
            shared.append(model.generate(texts, edit))
    thread.join(30)
    assert found == [alone] * 5 + [True]
    assert all(one == steered for one in shared)
    assert saved
    assert set(saved) == {3}


def test_a_model_that_keeps_other_states_is_run_as_ever() -> None:
    assert not can_share(ResidualStream(tiny.shared("mamba")), 0)


def test_a_layer_that_looks_at_other_rows_is_found_out() -> None:
    model = tiny.make("llama")
    stream = ResidualStream(model)
    assert can_share(stream, 1)
    plain = stream.layers[1].forward

    def crowded(hidden: torch.Tensor, *args: object, **kwargs: object) -> object:
        return plain(hidden + len(hidden), *args, **kwargs)

    stream.layers[1].forward = crowded
    assert not can_share(stream, 1)
    assert stream.layers[1].forward is crowded


@pytest.fixture(scope="module")
def asked_again() -> tuple[Model, Space, PromptSet]:
    """The embedded model with questions that stand in every language."""
    model = Model.from_pretrained(str(MODEL))
    space = fit(model, matching_corpus(), Reading(pooling="last"))
    languages = ("de", "en", "fr")
    chosen = [one for one in prompts("tune", 40).prompts if one.language in languages]
    return model, space, replace(prompts("tune", 40), prompts=tuple(chosen))


def test_what_a_steered_model_should_say_is_its_answer_to_the_translated_prompt(
    asked_again: tuple[Model, Space, PromptSet],
) -> None:
    model, space, given = asked_again
    runner = Runner(model, space, Judge(given, default_detector(space.languages)), Asking(16))
    every = cases(given, ordered_pairs(["de", "en", "fr"]))
    texts = forced_texts(runner, given, every)
    assert len(texts) > 12
    known = {one.text: one for one in given.prompts}
    for one in texts:
        prompt, other = (
            known[model.tokenizer.decode(ids, skip_special_tokens=True)]
            for ids in (one.prompt, one.translated)
        )
        assert (prompt.language, other.language) == one.pair
        assert (prompt.family, prompt.concepts) == (other.family, other.concepts)
        answer = other.answer(model.tokenizer.decode(one.following, skip_special_tokens=True))
        assert has_meaning(answer, other, one.pair[1])


@pytest.mark.slow
def test_ranked_by_forcing_few_answers_confirm_a_choice_that_is_as_good(
    asked_again: tuple[Model, Space, PromptSet],
) -> None:
    model, space, given = asked_again
    options = TuningOptions(
        layers=(0, 2, 4, 6), scopes=("all",), languages=("de", "en", "fr"), asking=Asking(16),
        budget=6000, quiet=True,
    )  # fmt: skip
    forced = tune_space(model, space, given, replace(options, ranking="forcing"))
    searched = tune_space(model, space, given, replace(options, ranking="answers"))
    assert forced.tokens < searched.tokens
    assert forced.point.scores["objective"] > searched.point.scores["objective"] - 0.05
    recovered = [one.recovered for one in forced.ranked]
    assert recovered == sorted(recovered, reverse=True)
    assert {one.point.layers for one in forced.ranked} == {(0,), (2,), (4,), (6,)}
    kept = forced.point.evidence["ranked"]
    assert [one["recovered"] for one in kept] == [round(one, 4) for one in recovered]
    assert "ranked" not in searched.point.evidence


def test_forcing_without_translated_prompts_is_refused(
    asked_again: tuple[Model, Space, PromptSet],
) -> None:
    model, space, given = asked_again
    alone = replace(
        given, prompts=tuple(replace(one, concepts=(one.text,)) for one in given.prompts)
    )
    with pytest.raises(LangsteerError, match="there are 0, and 12 are needed"):
        tune_space(model, space, alone, TuningOptions(ranking="forcing", quiet=True))
    with pytest.raises(LangsteerError, match="choose auto, answers, forcing"):
        TuningOptions(ranking="x")  # type: ignore[arg-type]
