"""Bytes become text in one place: every encoding is read rightly or refused, never guessed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langsteer.data.answers import read_answers
from langsteer.data.corpus import read_corpus
from langsteer.data.lines import read_lines, read_text
from langsteer.data.messages import read_messages
from langsteer.data.prompt_layouts import read_any
from langsteer.errors import CorpusError

MARKED = ("utf-8-sig", "utf-16", "utf-32")
"""Encodings that Python writes with a byte order mark, here in the order of this machine."""
BIG = {"utf-16-be": b"\xfe\xff", "utf-32-be": b"\0\0\xfe\xff"}
TEXT = "Grüße\n\u2028 中文\u0085 🙂\r\n"


def encoded(text: str, encoding: str) -> bytes:
    return BIG.get(encoding, b"") + text.encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", *MARKED, *BIG])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(encoded(TEXT, encoding))
    assert read_text(path) == TEXT


JSONL = {
    "corpus": ('{"text": "ä", "language": "de"}\n', lambda path: read_corpus(path).texts[0].text),
    "prompts": ('{"prompt": "ä", "language": "de"}\n', lambda path: read_any(path).prompts[0].text),
    "answers": ('{"answer": "ä", "target": "de"}\n', lambda path: read_answers(path)[0].text),
    "messages": (
        '{"messages": [{"role": "user", "content": "ä"}]}\n',
        lambda path: read_messages(path)[0][0]["content"],
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", *MARKED, *BIG])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("what", JSONL)
def test_everyone_reads_every_encoding_and_every_end_of_a_line(
    tmp_path: Path, what: str, encoding: str, ending: str
) -> None:
    line, read = JSONL[what]
    path = tmp_path / "a.jsonl"
    path.write_bytes(encoded(line.replace("\n", ending) * 2, encoding))
    assert read(path) == "ä"


@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "latin-1", "cp1251"]
)
@pytest.mark.parametrize("what", JSONL)
def test_everyone_refuses_what_is_not_utf8_and_has_no_mark(
    tmp_path: Path, what: str, encoding: str
) -> None:
    line, read = JSONL[what]
    path = tmp_path / "a.jsonl"
    letter = "ж" if encoding == "cp1251" else "ä"
    path.write_bytes(line.replace("ä", letter).encode(encoding))
    with pytest.raises(CorpusError, match=r"a\.jsonl:1: .*(UTF-16|is not UTF-8)"):
        read(path)


@pytest.mark.parametrize("text", ["Hallo", "Привет", "Привет, мир\nДа\n", "中文\n", "a\n中文 字\n"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf16_without_a_mark_is_never_text(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(CorpusError, match=r"a\.txt:\d: .*(UTF-16|is not UTF-8)"):
        read_text(path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"good\nba\0d\n", r":2: there is a NUL byte.*iconv"),
        (b"good\nba\xffd\nb\xc3\n", r"2 problems.*:2: byte 0xff at position 3.*:3: byte 0xc3 at"),
        (b"\xff\xfea\0\n\0b", r":2: the byte order mark says UTF-16-LE, but byte 5 .*truncated"),
        (b"\xff\xfe\0\0\xff\xff\xff\xff", r":1: the byte order mark says UTF-32-LE"),
        (b"\xff\xfea\0\0\0", "NUL byte"),
    ],
)
def test_broken_bytes_name_their_line(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    with pytest.raises(CorpusError, match=f"(?s){message}"):
        read_text(path)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\ufeff", []),
        ("a", ["a"]),
        ("a\nb\n", ["a", "b"]),
        ("a\r\n\r\nb\r\n", ["a", "", "b"]),
        ("a\rb\r", ["a", "b"]),
        ("a\rb\nc", ["a\rb", "c"]),
        ("\n\n", ["", ""]),
        ("a\u2028b\x85c\x0bd\x0ce\x1cf", ["a\u2028b\x85c\x0bd\x0ce\x1cf"]),
    ],
)
def test_what_ends_a_line(tmp_path: Path, text: str, lines: list[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    assert read_lines(path) == lines


letters = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\x85")


@given(st.lists(st.text(letters), min_size=1), st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_are_what_was_joined(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(line + end for line in lines).encode())
    assert read_lines(path) == lines


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read: No such file"):
        read_text(tmp_path / "none")
    with pytest.raises(CorpusError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_text(Path("a\0b"))


@pytest.mark.parametrize("name", ["none", "x" * 5000, "a\0b"])
def test_everyone_says_that_there_is_no_such_file(name: str) -> None:
    for _, read in JSONL.values():
        with pytest.raises(CorpusError, match="no file"):
            read(Path(name))


def test_a_name_that_is_not_utf8_can_be_said_and_kept(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    path.write_text('{"text": "a", "language": "de"}\n{')
    with pytest.raises(CorpusError, match=r"caf\\xe9\.jsonl:2") as error:
        read_corpus(path)
    str(error.value).encode()
    path.write_text('{"text": "a", "language": "de"}\n')
    assert read_corpus(path).name == "caf\\xe9.jsonl"
