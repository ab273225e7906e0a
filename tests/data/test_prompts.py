"""Files of prompts: what was written is read, and no field is misread in silence."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langsteer.data.prompts import ANY, Prompt, read_prompts, write_prompts
from langsteer.errors import CorpusError

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
tags = st.sampled_from(["de", "pt-BR", "zh-Hant", "tw"])
groups = st.lists(st.lists(texts, min_size=1, max_size=2).map(tuple), max_size=2).map(tuple)
references = st.dictionaries(tags | st.just(ANY), groups, max_size=3)
prompts = st.builds(
    Prompt,
    text=texts,
    language=tags,
    family=st.text(st.characters(exclude_categories=["Cs"])),
    concepts=st.lists(texts, max_size=2).map(tuple),
    references=references,
    instructed=st.dictionaries(tags, texts, max_size=2),
    lexical=st.booleans(),
    stop=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    targets=st.lists(tags, max_size=2).map(tuple),
)


@settings(max_examples=80)
@given(st.lists(prompts, min_size=1, max_size=3))
def test_every_prompt_that_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_prompts: list[Prompt]
) -> None:
    path = tmp_path_factory.getbasetemp() / "prompts.jsonl"
    write_prompts(given_prompts, path)
    assert read_prompts(path).prompts == tuple(given_prompts)


def one(path: Path, **fields: object) -> Prompt:
    row = {"prompt": "x", "language": "de", **fields}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return read_prompts(path).prompts[0]


@pytest.mark.parametrize(
    ("given_references", "expected"),
    [
        ({"de": "Tokio"}, {"de": (("Tokio",),)}),
        ({"de": ["Tokio"]}, {"de": (("Tokio",),)}),
        ({"deu": [["Tokio", "Tokyo"], "Japan"]}, {"de": (("Tokio", "Tokyo"), ("Japan",))}),
        ({"de": None, "en": []}, {"de": (), "en": ()}),
        ("19", {ANY: (("19",),)}),
        (["19"], {ANY: (("19",),)}),
        ([["19", "nineteen"]], {ANY: (("19", "nineteen"),)}),
        ({ANY: "19"}, {ANY: (("19",),)}),
        (None, {}),
        ([], {}),
        ("", {}),
    ],
)
def test_references(
    tmp_path: Path, given_references: object, expected: Mapping[str, object]
) -> None:
    assert one(tmp_path / "p.jsonl", references=given_references).references == expected


def test_one_string_is_a_list_of_one_everywhere(tmp_path: Path) -> None:
    found = one(tmp_path / "p.jsonl", concepts="country:FR", targets="deu", family=3)
    assert (found.concepts, found.targets, found.family) == (("country:FR",), ("de",), "3")


def test_null_is_the_same_as_nothing(tmp_path: Path) -> None:
    fields = dict.fromkeys(("family", "concepts", "instructed", "lexical", "stop", "targets"))
    assert one(tmp_path / "p.jsonl", **fields) == Prompt("x", "de")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("prompt", 3, "'prompt' is not a string: 3"),
        ("prompt", None, 'there is no "prompt"'),
        ("prompt", ["x"], "'prompt' is not a string"),
        ("language", 3, "'language' is not a string: 3"),
        ("language", None, 'there is no "language"'),
        ("language", "german", "Did you mean 'de'"),
        ("family", True, "'family' is neither a string nor a whole number: true"),
        ("family", 1.5, "'family' is neither"),
        ("family", ["x"], "'family' is neither"),
        ("concepts", 3, 'Write numbers in quotation marks: "3"'),
        ("concepts", {"a": 1}, "'concepts' is neither a string nor a list of strings"),
        ("concepts", ["a", None], "'concepts' is neither"),
        ("concepts", ["a", ""], "'concepts' holds an empty string"),
        ("references", 3, "'references' is 3"),
        ("references", False, "'references' is false"),
        ("references", {"de": 3}, "'references' in 'de' is 3"),
        ("references", {"de": True}, "'references' in 'de' is true"),
        ("references", {"de": {"a": "b"}}, "'references' in 'de' is {"),
        ("references", {"de": [19]}, 'Write numbers in quotation marks: "19"'),
        ("references", {"de": [["a", 1]]}, "'references' in 'de' is neither"),
        ("references", {"de": [[["a"]]]}, "'references' in 'de' is neither"),
        ("references", {"de": ["a", None]}, "empty group"),
        ("references", {"de": [[]]}, "empty group"),
        ("references", {"de": ["a", " "]}, "holds an empty string"),
        ("references", {"german": "x"}, "Did you mean 'de'"),
        ("references", {"de": "x", "deu": "y"}, "names the language 'de' twice"),
        ("references", [1], "'references' is neither"),
        ("instructed", "x", "'instructed' is 'x'. Write an object"),
        ("instructed", ["x"], "'instructed' is"),
        ("instructed", {"de": 3}, "'instructed' in 'de' is 3"),
        ("instructed", {"de": ["x"]}, "'instructed' in 'de' is"),
        ("instructed", {"de": ""}, "'instructed' in 'de' is ''"),
        ("instructed", {ANY: "x"}, "'*' is not a language tag"),
        ("instructed", {"de": "x", "DE": "y"}, "names the language 'de' twice"),
        ("lexical", "true", "'lexical' is 'true'. Write true or false"),
        ("lexical", 1, "'lexical' is 1"),
        ("lexical", [], "'lexical' is"),
        ("stop", 3, "'stop' is not a string: 3"),
        ("stop", ["\n"], "'stop' is not a string"),
        ("stop", True, "'stop' is not a string: true"),
        ("targets", 3, "'targets' is neither"),
        ("targets", {"de": 1}, "'targets' is neither"),
        ("targets", ["de", 3], "'targets' is neither"),
        ("targets", ["german"], "Did you mean 'de'"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(
    tmp_path: Path, field: str, value: object, message: str
) -> None:
    with pytest.raises(CorpusError) as error:
        one(tmp_path / "p.jsonl", **{field: value})
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'p.jsonl'}:1: ")
