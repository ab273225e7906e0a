"""Rows of every kind of file: strict in the same way, and every error names file and line."""

import csv
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langsteer.data.answers import read_answers
from langsteer.data.corpus import read_corpus
from langsteer.data.fields import Row
from langsteer.data.problems import Problems
from langsteer.data.prompt_layouts import read_any
from langsteer.data.prompts import read_prompts
from langsteer.data.rows import read_rows
from langsteer.errors import CorpusError, LangsteerError

READERS: dict[str, tuple[dict[str, str], Callable[[Path], Any]]] = {
    "corpus": ({"text": "a", "language": "de"}, read_corpus),
    "prompts": ({"prompt": "a", "language": "de"}, read_any),
    "own prompts": ({"prompt": "a", "language": "de"}, read_prompts),
    "questions": ({"question": "a", "language_code": "de"}, read_any),
    "answers": ({"answer": "a", "target": "de"}, read_answers),
    "completions": (
        {"completion": "a", "language": "de", "task": "t", "source": "s"},
        read_answers,
    ),
}
everyone = pytest.mark.parametrize("what", READERS)


def values(path: Path) -> list[dict[str, object]]:
    problems = Problems(path.name)
    rows = read_rows(path, problems)
    problems.refuse()
    return [dict(row.values) for row in rows]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@everyone
@pytest.mark.parametrize(("suffix", "mark"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "{head}\n{row}\n{row}{mark} das stimmt\n",
            r":3: .*more fields.*\[' das stimmt'\] is left",
        ),
        ("{head}\n{row}\n\nde\n", r":4: the row has no field for '"),
        ("{head}{mark}x{mark}x\n{row}{mark}1{mark}2\n", r":1: the header has the column 'x' twice"),
        ("", ":1: the table is empty"),
    ],
)
def test_everyone_refuses_ragged_tables(
    tmp_path: Path, what: str, suffix: str, mark: str, change: str, message: str
) -> None:
    row, read = READERS[what]
    fields = {"head": mark.join(row), "row": mark.join(row.values()), "mark": mark}
    path = write(tmp_path / f"a.{suffix}", change.format(**fields))
    with pytest.raises(LangsteerError, match=rf"a\.{suffix}{message}"):
        read(path)


@everyone
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "quoted.tsv"])
def test_everyone_reads_every_kind_of_file(tmp_path: Path, what: str, kind: str) -> None:
    row, read = READERS[what]
    text = 'a "b", c'
    row = {name: text if value == "a" else value for name, value in row.items()}
    path = tmp_path / f"a.{kind}"
    if kind == "jsonl":
        write(path, json.dumps(row))
    elif kind == "json":
        write(path, json.dumps([row], indent=2))
    elif kind == "tsv":
        write(path, "\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    else:
        with path.open("w", newline="") as file:
            delimiter, quoting = (
                ("\t", csv.QUOTE_ALL) if "tsv" in kind else (",", csv.QUOTE_MINIMAL)
            )
            writer = csv.writer(file, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
            writer.writerows([row, row.values()])
    found = read(path)
    (one,) = getattr(found, "texts", getattr(found, "prompts", found))
    assert one.text == text


@everyone
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ("{row} {row}", "not JSON"),
        ('["a", "de"]', "not a JSON object"),
        ("null", "not a JSON object: null"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ('{"a": "\\ud83d"}', "half a surrogate pair"),
        ('{"\\udc00": 1}', "half a surrogate pair"),
        ("9" * 5000, "not JSON"),
    ],
)
def test_everyone_refuses_broken_json(tmp_path: Path, what: str, line: str, message: str) -> None:
    row, read = READERS[what]
    good = json.dumps(row)
    for name in ("a.jsonl", "b.json"):
        path = write(tmp_path / name, f"{good}\n\n{line.replace('{row}', good)}\n")
        with pytest.raises(CorpusError, match=rf"{name}:3: .*{message}"):
            read(path)


def test_whole_surrogate_pairs_are_letters(tmp_path: Path) -> None:
    assert values(write(tmp_path / "a.jsonl", '{"a": "\\ud83d\\ude42"}')) == [{"a": "🙂"}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"a": 1},\n {"a": 2}]\n', [{"a": 1}, {"a": 2}]),
        ("\n [ ] ", []),
        ('{\n  "a": 1\n}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('{"a": 1}\n\ufeff{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("", []),
    ],
)
def test_json_is_a_list_an_object_or_lines(tmp_path: Path, text: str, found: object) -> None:
    assert values(write(tmp_path / "a.json", text)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n\n 2]', "a.json:3: this is not a JSON object: 2"),
        ('[{"a": 1},\n {"a": 2]', "a.json:2: the list is not JSON from here"),
        ('[{"a": 1}\n', "a.json:1: the list is not JSON from here .*comma or the end"),
        ('[{"a": 1, "a": 2}]', "a.json:1: .*'a' twice"),
        ('[\n"\\ud800"]', "a.json:2: .*half a surrogate"),
        ("[\n" + "[" * 100_000, "a.json:2: the list is not JSON"),
        ("[{},\n{},\n]", "a.json:2: nothing follows the last comma"),
        ("[{}]\n[]", "a.json:1: there is more after the end"),
        ('{"a":\n1', "a.json:1: this is not JSON"),
    ],
)
def test_broken_json_lists_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        values(write(tmp_path / "a.json", text))


def test_a_list_over_many_lines_is_explained(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"let its name end with \.json"):
        values(write(tmp_path / "a.jsonl", "[\n{}\n]\n"))


def test_fields_of_any_length_leave_the_limit_of_others_alone(tmp_path: Path) -> None:
    limit = csv.field_size_limit(500)
    try:
        long = "x" * 200_000
        assert values(write(tmp_path / "a.csv", f'a,b\n"{long}",1\n')) == [{"a": long, "b": "1"}]
        with pytest.raises(CorpusError):
            values(write(tmp_path / "a.csv", 'a,b\n"x'))
        assert csv.field_size_limit() == 500
    finally:
        csv.field_size_limit(limit)


def test_many_threads_read_long_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n"' + "x" * 300_000 + '",1\n')
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(str(values(path)[0]["a"]))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [300_000] * 8
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_fields_keep_their_lines(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "a.csv", f'a,b{end}"x{end}y",1{end}{end}z,"q"{end}')
    assert values(path) == [{"a": f"x{end}y", "b": "1"}, {"a": "z", "b": "q"}]


def test_a_letter_that_only_looks_like_the_end_of_a_line_stays(tmp_path: Path) -> None:
    assert values(write(tmp_path / "a.csv", "a,b\nx\u2028y\x85,1\n")) == [
        {"a": "x\u2028y\x85", "b": "1"}
    ]
    with pytest.raises(CorpusError, match=r"a\.csv:2: the row that starts here cannot be read"):
        values(write(tmp_path / "a.csv", "a,b\nx\ry,1\n"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"Hallo\tWelt"\tde', r"a\.tsv:2: .*\['de'\] is left over. In a TSV file quotation marks"),
        ('"Hallo\nWelt"\tde', r"a\.tsv:2: the row has no field for 'language'.*In a TSV file"),
        ('"Er sagte ""ja"""\tde', r"a\.tsv:2: .*quoted as in a CSV file"),
    ],
)
def test_tsv_that_is_quoted_without_saying_so_is_refused(
    tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        read_corpus(write(tmp_path / "a.tsv", f"text\tlanguage\n{row}\n"))


@pytest.mark.parametrize(
    ("header", "message"),
    [("text;language", "is that the separator"), (" text,language", "no column 'text'")],
)
def test_a_header_that_is_not_what_it_should_be(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_corpus(write(tmp_path / "a.csv", f"{header}\nx,de\n".replace(",", header[4])))


def test_a_column_without_a_name_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ",text,language,\n0,Hallo,de,\n1,Hello,en,\n")
    assert read_corpus(path).counts == {"de": 1, "en": 1}


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=16)
anything = st.recursive(
    scalars | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(anything, st.sampled_from(["string", "text", "label", "strings", "flag", "mapping"]))
def test_a_field_of_any_type_is_read_or_refused_with_its_name(value: object, kind: str) -> None:
    row = Row("x:1", {"field": value})
    types = {"strings": tuple, "flag": bool, "mapping": dict}
    problems = Problems("x")
    with problems.at(row.place):
        found = getattr(row, kind)("field")
        assert isinstance(found, types.get(kind, (str, type(None))))
    assert all("'field'" in one or "is not a language tag" in one for one in problems.found)


def test_one_string_is_a_list_of_one() -> None:
    row = Row("x:1", {"one": "a", "list": ["a", "b"], "none": None, "empty": ""})
    assert row.strings("one") == ("a",)
    assert row.strings("list") == ("a", "b")
    assert row.strings("none") == row.strings("empty") == row.strings("absent") == ()
