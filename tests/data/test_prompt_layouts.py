"""Prompts in the layouts of other benchmarks."""

import csv
import json
from pathlib import Path

import pytest

from langsteer.data.prompt_layouts import read_any
from langsteer.data.prompts import Prompt, write_prompts
from langsteer.errors import CorpusError, LanguageError
from langsteer.evaluation.cases import cases, neutral_cases, ordered_pairs

QUESTIONS = {"en": ["Why?", "How long?"], "de": ["Warum?", "Wie lange?"], "ru": ["Почему?"]}


def table(path: Path, header: list[str], *rows: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def clas_folder(path: Path) -> Path:
    for language, questions in QUESTIONS.items():
        (path / f"{language}.txt").write_text("\n".join(questions) + "\n")
    return path


def clas_lines(path: Path) -> Path:
    rows = [
        json.dumps({"language_code": language, "question": question})
        for language, questions in QUESTIONS.items()
        for question in questions
    ]
    (path / "clas.jsonl").write_text("\n".join(rows))
    return path / "clas.jsonl"


def clas_table(path: Path) -> Path:
    rows = [[tag, question] for tag, asked in QUESTIONS.items() for question in asked]
    return table(path / "clas.csv", ["language_code", "question"], *rows)


@pytest.mark.parametrize("layout", [clas_folder, clas_lines, clas_table])
def test_questions_of_clas_bench(tmp_path: Path, layout: object) -> None:
    found = read_any(layout(tmp_path))  # type: ignore[operator]
    by_text = {prompt.text: prompt for prompt in found.prompts}
    assert found.languages == ("de", "en", "ru")
    assert len(found.prompts) == 5
    assert by_text["How long?"].concepts == by_text["Wie lange?"].concepts
    assert by_text["Why?"].concepts != by_text["How long?"].concepts
    assert by_text["Warum?"].instructed["ru"] == "Warum? Respond in Russian."
    # Every question with every other language.
    assert len(cases(found, ordered_pairs(found.languages))) == 5 * 2


def test_no_more_than_seventy_questions_are_read(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("\n".join(f"Number {n}?" for n in range(99)))
    assert len(read_any(tmp_path).prompts) == 70


def confusion(path: Path) -> Path:
    table(
        path / "test_sets/crosslingual/okapi/de.csv",
        ["prompt", "location", "phrasing", "language", "source"],
        ["Reply in German. Explain\nthis.", "Start", "reply in", "de", "okapi"],
    )
    table(
        path / "test_sets/monolingual/aya/en.csv",
        ["prompt", "source", "language"],
        ["Who are you?", "aya_human_annotated", "en"],
    )
    table(
        path / "test_sets/monolingual/aya/tr.csv",
        ["prompt", "source", "language"],
        ["Sen kimsin?", "aya_human_annotated", "tr"],
    )
    return path / "test_sets"


def test_test_sets_of_the_language_confusion_benchmark(tmp_path: Path) -> None:
    found = read_any(confusion(tmp_path))
    assert [(one.language, one.targets, one.family) for one in found.prompts] == [
        ("en", ("de",), "crosslingual okapi"),
        ("en", ("en",), "monolingual aya_human_annotated"),
        ("en", ("tr",), "monolingual aya_human_annotated"),
    ]
    assert found.prompts[0].text == "Reply in German. Explain\nthis."
    assert found.languages == ("de", "en", "tr")
    # Only the wanted language is a target, and what the model speaks anyway needs no steering.
    todo = cases(found, ordered_pairs(found.languages))
    assert [(case.source, case.target) for case in todo] == [("en", "de"), ("en", "tr")]


def test_the_language_that_the_model_falls_into(tmp_path: Path) -> None:
    found = read_any(confusion(tmp_path), "zh")
    assert {one.language for one in found.prompts} == {"zh"}


def test_a_part_of_the_test_sets(tmp_path: Path) -> None:
    path = confusion(tmp_path)
    (one,) = read_any(path / "monolingual/aya/tr.csv").prompts
    assert (one.text, one.targets) == ("Sen kimsin?", ("tr",))


def test_our_own_lines(tmp_path: Path) -> None:
    given = [Prompt("Hello", "en", targets=("de",)), Prompt("Ciao", "it")]
    write_prompts(given, tmp_path / "p.jsonl")
    assert read_any(tmp_path / "p.jsonl").prompts == tuple(given)


def test_references_that_hold_in_every_language(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "12 + 7 =", "language": "en", "references": [["19", "nineteen"]]}')
    found = read_any(path)
    (one,) = found.prompts
    assert one.neutral
    assert one.expected("de") == (("19", "nineteen"),)
    assert found.languages == ("en",)
    pairs = [("en", "de"), ("en", "fr"), ("de", "en")]
    assert [case.target for case in neutral_cases(found, pairs)] == ["de", "fr"]
    with pytest.raises(LanguageError, match="No prompt fits"):
        cases(found, pairs)  # whether the language changed cannot be seen in a number
    write_prompts(found.prompts, path)
    assert read_any(path).prompts == found.prompts


def test_what_is_none_of_these_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file of prompts"):
        read_any(tmp_path / "none.jsonl")
    with pytest.raises(CorpusError, match="holds no prompts"):
        read_any(tmp_path)
    with pytest.raises(CorpusError, match="has the columns 'a', 'b'"):
        read_any(table(tmp_path / "x.csv", ["a", "b"], ["1", "2"]))
    (tmp_path / "x.csv").unlink()
    (tmp_path / "xx-wrong-name.txt").write_text("Why?")
    with pytest.raises(CorpusError, match="'xx-wrong-name'"):
        read_any(tmp_path)
    with pytest.raises(CorpusError, match="'klingonisch'"):
        read_any(table(tmp_path / "y.csv", ["prompt", "language"], ["x", "klingonisch"]))
