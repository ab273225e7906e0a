"""Perplexity, cost and the metrics of a steered model, on tiny models and the embedded one."""

import json
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import tiny
from langsteer.cli import main
from langsteer.data.prompts import Prompt, PromptSet
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.cases import Case, Outcome
from langsteer.evaluation.conditions import CONDITIONS
from langsteer.evaluation.cost import cost, size
from langsteer.evaluation.judge import Judge, Verdict
from langsteer.evaluation.metrics import estimates
from langsteer.evaluation.perplexity import log_perplexities
from langsteer.evaluation.runner import Asking, Runner
from langsteer.evaluation.summary import by_target, measured
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import default_detector

LANGUAGES = ("en", "de", "ru")
POINT = OperatingPoint(layers=(4,), strength=1.0, scope="generated")


@cache
def small() -> Model:
    model = tiny.shared("llama")
    return Model(model, tiny.tokenizer(), name="tiny")


@cache
def loaded() -> Model:
    return Model.from_pretrained(str(MODEL))


@cache
def space() -> Space:
    corpus = matching_corpus("fit", per_family=6).select(LANGUAGES)
    return fit(loaded(), corpus, Reading(pooling="last"), progress=False)


@torch.inference_mode()
def test_perplexity_by_hand() -> None:
    text = "abab"
    ids = torch.tensor([tiny.tokenizer()(text)["input_ids"]])
    chances = small().hf(ids).logits.double().log_softmax(-1)
    tokens = [float(chances[0, n, ids[0, n + 1]]) for n in range(ids.shape[1] - 1)]
    (found,) = log_perplexities(small(), [text])
    assert found == pytest.approx(-sum(tokens) / len(tokens), abs=1e-4)


def test_perplexity_does_not_depend_on_the_batch() -> None:
    texts = ["a", "a longer text than that", "", "ab", "a"]
    together = log_perplexities(small(), texts)
    alone = [log_perplexities(small(), [text])[0] for text in texts]
    assert together[2] is None
    assert together[0] == together[4]
    assert [together[n] for n in (0, 1, 3)] == pytest.approx(
        [alone[n] for n in (0, 1, 3)], abs=1e-4
    )


def runner(prompts: PromptSet, chat: bool | None = None) -> Runner:
    judge = Judge(prompts, default_detector(LANGUAGES))
    return Runner(loaded(), space(), judge, Asking(8, ChatOptions(enabled=chat)))


ASKED = [
    Prompt(text, language)
    for text, language in (
        ("What is the capital of Angola?", "en"),
        ("Was ist die Hauptstadt?", "de"),
    )
]
SUM = Prompt("1, 2, 3, ", "en", references={"*": (("1", "2", "3", "4"),)})


def test_steering_to_the_language_spoken_changes_nothing() -> None:
    todo = [Case(ASKED[0], "de"), Case(ASKED[0], "ru"), Case(ASKED[1], "en")]
    found = cost(runner(PromptSet(tuple(ASKED))), todo, [], POINT)
    assert found.changed is not None
    assert (found.changed.value, found.changed.n) == (0, 2)
    assert found.steered is found.unsteered is found.difference is None
    assert size(todo, []) == 4


def test_an_edit_of_the_language_spoken_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = PromptSet(tuple(ASKED))
    made = runner(prompts)
    real = made.steered
    monkeypatch.setattr(
        made, "steered", lambda todo, points: real([Case(one.prompt, "ru") for one in todo], points)
    )
    found = cost(made, [Case(ASKED[0], "ru"), Case(ASKED[1], "en")], [], POINT)
    assert found.changed is not None
    assert found.changed.value == 1


def test_accuracy_on_prompts_unrelated_to_language(monkeypatch: pytest.MonkeyPatch) -> None:
    made = runner(PromptSet((SUM,)))
    monkeypatch.setattr(made, "plain", lambda todo, texts: ["It is 4." for _ in todo])
    monkeypatch.setattr(made, "steered", lambda todo, points: ["4", "vier"])
    found = cost(made, [], [Case(SUM, "de"), Case(SUM, "ru")], POINT)
    assert found.changed is None
    assert found.unsteered is not None
    assert found.steered is not None
    assert found.difference is not None
    assert (found.unsteered.value, found.steered.value) == (1, 0.5)
    assert found.difference.value == pytest.approx(-0.5)


def test_the_same_text_is_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Prompt("Question", "en", instructed={"de": "Frage", "ru": "Frage"})
    made = runner(PromptSet((asked,)))
    seen: list[str] = []

    def generate(todo: list[Case], texts: list[str], edits: object) -> list[str]:
        seen.extend(texts)
        return [text.upper() for text in texts]

    monkeypatch.setattr(made, "generate", generate)
    todo = [Case(asked, "de"), Case(asked, "ru")]
    assert [made.size(CONDITIONS[name], todo) for name in ("unsteered", "prompted", "steered")] == [
        1,
        1,
        2,
    ]
    assert [one.answer for one in made.run(CONDITIONS["prompted"], todo, POINT)] == [
        "FRAGE",
        "FRAGE",
    ]
    assert [one.answer for one in made.run(CONDITIONS["unsteered"], todo, POINT)] == [
        "QUESTION"
    ] * 2
    made.run(CONDITIONS["unsteered"], todo, POINT)
    assert seen == ["Frage", "Question"]
    assert made.size(CONDITIONS["unsteered"], todo) == 0


def outcome(source: str, target: str, answer: str, language: str, meaning: bool) -> Outcome:
    references = {target: (("Berlin", "Berlín"),)}
    prompt = Prompt("?", source, family="f", references=references)
    verdict = Verdict(language, language == target, meaning)
    return Outcome(Case(prompt, target), "steered", answer, verdict)


def test_metrics_of_judged_answers() -> None:
    outcomes = [
        outcome("en", "de", "Die Stadt heißt heute wieder Berlin", "de", True),
        outcome("en", "de", "The city is called Berlin again", "en", False),
    ]
    found = estimates(measured(outcomes, default_detector(LANGUAGES), [0.0, 2.0]))
    assert found["forced"].value == found["right_language"].value == found["line_pass"].value == 0.5
    assert found["right_meaning"].value == found["both"].value == 0.5
    assert found["contained"].value == 1  # a name, whatever the language
    assert found["perplexity"].value == pytest.approx(2.718281828)
    assert found["chrf"].n == 2


def test_scores_by_target_weigh_all_sources_the_same() -> None:
    outcomes = [outcome("en", "de", "Berlin", "de", True)] * 3
    outcomes += [outcome("ru", "de", "Berlin", "ru", False), outcome("en", "ru", "x", "ru", True)]
    found = by_target(outcomes)
    assert list(found) == ["de", "ru"]
    assert found["de"].language_rate.value == pytest.approx(1 / 2)
    assert found["de"].both is not None
    assert found["de"].both.value == pytest.approx(1 / 2)


def run(*words: object) -> None:
    argv, sys.argv = sys.argv, ["langsteer", *map(str, words)]
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        sys.argv = argv
    assert not stop.value.code


def test_evaluate_prints_metrics_and_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "space.safetensors"
    space().save(path)
    for language, question in (("en", "What is it?"), ("de", "Was ist es?"), ("ru", "Что это?")):
        (tmp_path / f"{language}.txt").write_text(question)
    words = ["evaluate", MODEL, "-s", path, "-p", tmp_path, "--max-new-tokens", "8"]
    capsys.readouterr()
    run(*words, "--json")
    found = json.loads(capsys.readouterr().out)
    run(*words)
    said = capsys.readouterr().out
    assert found["cost"]["changed"]["value"] == 0
    assert found["metrics"].keys() == {"steered", "unsteered", "random", "prompted"}
    assert {"forced", "repetition", "perplexity"} <= found["metrics"]["steered"].keys()
    assert len(found["pairs"]) == len(found["intervals"]) == 6
    assert found["targets"].keys() == set(LANGUAGES)
    assert "answers that steering to the language spoken already changes: 0.0% of 3" in said
    assert "perplexity" in said
    assert "…" not in said
