"""Files of answers: no field is misread in silence."""

import json
from pathlib import Path

import pytest

from langsteer.data.answers import GivenAnswer, read_answers
from langsteer.errors import CorpusError


def one(path: Path, **fields: object) -> GivenAnswer:
    path.write_text(json.dumps({"answer": "x", "target": "de", **fields}), encoding="utf-8")
    (found,) = read_answers(path)
    return found


def test_what_may_be_said_of_an_answer(tmp_path: Path) -> None:
    found = one(
        tmp_path / "a.jsonl", source="eng", prompt="Why?", references="x", group=3, dataset="d"
    )
    assert found == GivenAnswer("x", "de", "en", "Why?", ("x",), "3", "d")
    fields = dict.fromkeys(("source", "prompt", "references", "group", "dataset"))
    assert one(tmp_path / "a.jsonl", **fields) == GivenAnswer("x", "de")
    assert one(tmp_path / "a.jsonl", answer="").text == ""


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("answer", 3, "'answer' is not a string: 3"),
        ("answer", ["x"], "'answer' is not a string"),
        ("answer", None, "there is no answer"),
        ("target", 3, "'target' is not a string: 3"),
        ("target", ["de"], "'target' is not a string"),
        ("source", 3, "'source' is not a string: 3"),
        ("source", "german", "Did you mean 'de'"),
        ("prompt", 3, "'prompt' is not a string: 3"),
        ("prompt", [{"role": "user"}], "'prompt' is not a string"),
        ("references", {"de": "x"}, "'references' is neither"),
        ("references", ["x", 3], "'references' is neither"),
        ("references", True, "'references' is neither a string nor a list of strings: true"),
        ("group", ["x"], "'group' is neither"),
        ("group", True, "'group' is neither"),
        ("dataset", {"x": 1}, "'dataset' is neither"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(
    tmp_path: Path, field: str, value: object, message: str
) -> None:
    with pytest.raises(CorpusError) as error:
        one(tmp_path / "a.jsonl", **{field: value})
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'a.jsonl'}:1: ")


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (3, "'results' is 3, so this is no result of CLaS-Bench"),
        (["x"], "result 1 is 'x'"),
        ([{"input": "Why?"}], r"a\.json:1, result 1: there is no answer"),
        ([{"output": 3}], r"a\.json:1, result 1: 'answer' is not a string: 3"),
    ],
)
def test_broken_results_of_clas_bench(tmp_path: Path, results: object, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"target_language": "de", "results": results}))
    with pytest.raises(CorpusError, match=message):
        read_answers(path)


def test_a_file_of_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.jsonl").write_text('{"answer": "x", "target": "de"}\n')
    assert len(read_answers(tmp_path)) == 1
    (tmp_path / "deep" / "b.jsonl").symlink_to(tmp_path / "none")
    with pytest.raises(CorpusError, match=r"b\.jsonl: the link to \S*none leads nowhere"):
        read_answers(tmp_path)
