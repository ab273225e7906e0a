"""Texts that stay in their file are the same as those that are read into memory."""

import json
from pathlib import Path

import pytest
import torch

import tiny
from langsteer.data import corpus_rows
from langsteer.data.corpus import Columns, Corpus
from langsteer.data.texts_on_disk import TextsOnDisk
from langsteer.engines.transformers.model import Model
from langsteer.errors import CorpusError
from langsteer.fitting.collect import collect
from langsteer.fitting.reading import Reading

ROWS = [
    {"text": f"{said} {number % 17}", "language": language, "concept": number}
    for number in range(40)
    for language, said in {"de": "die Zahl", "fr": "le nombre\u2028é", "zh": "数"}.items()
]


def write(path: Path, rows: list[dict[str, object]], begin: bytes = b"", gap: str = "\n") -> Path:
    lines = "".join(json.dumps(row, ensure_ascii=False) + gap for row in rows)
    path.write_bytes(begin + lines.encode())
    return path


def both(path: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[Corpus, Corpus]:
    """The corpus in memory and on disk."""
    held = Corpus.read(path, **options)  # type: ignore[arg-type]
    monkeypatch.setattr(corpus_rows, "LARGE", 1)
    left = Corpus.read(path, **options)  # type: ignore[arg-type]
    assert isinstance(left.texts, TextsOnDisk)
    return held, left


@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("gap", ["\n", "\r\n", "\n\n  \n"])
def test_the_same_texts_come_out(
    begin: bytes, gap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, left = both(write(tmp_path / "a.jsonl", ROWS, begin, gap), monkeypatch)
    assert tuple(left.texts) == held.texts
    assert left.texts[7] == held.texts[7]
    assert left.texts[3:5] == list(held.texts[3:5])
    assert (left.digest, left.counts, left.repeated) == (held.digest, held.counts, held.repeated)
    for few, some in [(left.limit(3), held.limit(3)), (left.select(["zh"]), held.select(["zh"]))]:
        assert tuple(few.texts) == some.texts
        assert few.texts[1] == some.texts[1]
        assert few.limit(2).texts[:2] == list(some.limit(2).texts[:2])


@pytest.mark.parametrize("pooling", ["tokens", "matched"])
def test_statistics_are_the_same_bit_for_bit(
    pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, left = both(write(tmp_path / "a.jsonl", ROWS), monkeypatch)
    model, options = Model(tiny.shared("llama"), tiny.tokenizer()), Reading(pooling=pooling)  # type: ignore[arg-type]
    one, other = collect(model, held, options), collect(model, left, options)
    assert torch.equal(one.means(1), other.means(1))
    assert one.duplicates == other.duplicates


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b'{"text": "a"}', "there is no 'language'"),
        (b"[1]", "not a JSON object"),
        (b"{", "not JSON"),
        (b'{"text": "\xff", "language": "de"}', "is not UTF-8"),
        (b'{"text": " ", "language": "de"}', "the text is empty"),
    ],
)
def test_what_is_no_text_is_named_by_its_line(
    row: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_rows, "LARGE", 1)
    file = write(tmp_path / "a.jsonl", ROWS[:2])
    file.write_bytes(file.read_bytes() + row + b"\n")
    with pytest.raises(CorpusError, match=rf"a\.jsonl:3: .*{said}"):
        Corpus.read(file)


def test_other_columns_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"body": row["text"], "tag": row["language"]} for row in ROWS]
    held, left = both(
        write(tmp_path / "a.jsonl", rows), monkeypatch, columns=Columns("body", "tag")
    )
    assert tuple(left.texts) == held.texts


def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.jsonl", ROWS)
    _, left = both(file, monkeypatch)
    write(file, ROWS[1:])
    with pytest.raises(CorpusError, match="has changed while it was read"):
        left.texts[0]
    with pytest.raises(CorpusError, match="has changed while it was read"):
        next(iter(left.texts))


def test_another_encoding_is_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.jsonl", ROWS)
    whole = file.read_text()
    file.write_bytes(whole.encode("utf-16"))
    monkeypatch.setattr(corpus_rows, "LARGE", 100)
    assert isinstance(Corpus.read(file).texts, tuple)
