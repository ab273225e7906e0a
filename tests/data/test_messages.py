"""Files of chats."""

import json
from pathlib import Path

import pytest

from langsteer.data.messages import read_messages
from langsteer.errors import CorpusError

ONE = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?\n\u2028"}]
TWO = [{"role": "user", "content": "", "name": "Kim"}]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.json", json.dumps(ONE, indent=1), [ONE]),
        ("a.json", json.dumps(ONE), [ONE]),
        ("a.json", json.dumps({"messages": ONE}, indent=1), [ONE]),
        ("a.json", json.dumps([ONE, TWO]), [ONE, TWO]),
        ("a.json", json.dumps([{"messages": ONE}, TWO]), [ONE, TWO]),
        ("a.json", json.dumps({"messages": ONE}) + "\n" + json.dumps(TWO), [ONE, TWO]),
        ("a.jsonl", json.dumps({"id": 1, "messages": ONE}) + "\n\n" + json.dumps(TWO), [ONE, TWO]),
        ("chats", json.dumps(ONE), [ONE]),
    ],
)
def test_all_ways_to_write_a_conversation(
    tmp_path: Path, name: str, text: str, found: object
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_messages(tmp_path / name) == found


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.jsonl", ONE[0], "a.jsonl:1: this is one message, not a conversation"),
        ("a.jsonl", [], r"a.jsonl:1: a conversation is a list of messages, and this is \[\]"),
        ("a.jsonl", {"messages": "Hi"}, "a.jsonl:1: a conversation is a list"),
        ("a.jsonl", "Hi", "a.jsonl:1: a conversation is a list of messages, and this is 'Hi'"),
        ("a.jsonl", None, "this is null"),
        ("a.jsonl", ["Hi"], "message 1 is 'Hi'"),
        ("a.jsonl", [*ONE, {"role": "user"}], "message 3 has null as 'content'"),
        ("a.jsonl", [{"role": 1, "content": "x"}], "message 1 has 1 as 'role'"),
        ("a.jsonl", [{"role": " ", "content": "x"}], "message 1 has an empty 'role'"),
        ("a.jsonl", [{"role": "user", "content": [{"type": "text"}]}], "only text can be read"),
        ("a.json", [*ONE, {"messages": ONE}], "a.json:1: this is one message"),
        ("a.json", [], "holds no messages"),
        ("a.csv", [], "is no file of messages"),
    ],
)
def test_what_is_no_conversation_is_refused(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    (tmp_path / name).write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        read_messages(tmp_path / name)


def test_all_problems_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('[]\n{"messages": [{"role": "user", "content": "x"}]}\n{\n')
    with pytest.raises(CorpusError, match="2 problems") as error:
        read_messages(path)
    assert all(f"a.jsonl:{line}: " in str(error.value) for line in (1, 3))
    with pytest.raises(CorpusError, match="no file of messages"):
        read_messages(tmp_path / "none.json")
