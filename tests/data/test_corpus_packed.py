"""Packed files and Parquet files give the corpus that the plain file gives."""

import gc
import gzip
import json
import tempfile
from pathlib import Path

import pytest

from langsteer.data import corpus_rows
from langsteer.data.corpus import Columns, Corpus
from langsteer.data.texts_on_disk import TextsOnDisk
from langsteer.errors import CorpusError

ROWS = [
    {"text": "eins", "language": "de", "concept": "1", "note": 5},
    {"text": "un", "language": "fr", "concept": "1", "note": 6},
]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = "text,language\neins,de\n"


def packed_as(ending: str, data: bytes) -> bytes:
    if ending == ".gz":
        return gzip.compress(data)
    compressed: bytes = pytest.importorskip("backports.zstd").compress(data)
    return compressed


@pytest.mark.parametrize("ending", [".gz", ".zst", ".ZST"])
@pytest.mark.parametrize(("name", "content"), [("a.jsonl", JSONL), ("a.csv", CSV), ("A.TSV", "")])
def test_a_packed_file_is_read_as_the_plain_one(
    name: str, content: str, ending: str, tmp_path: Path
) -> None:
    content = content or CSV.replace(",", "\t")
    plain, packed = tmp_path / name, tmp_path / f"{name}{ending}"
    plain.write_text(content)
    packed.write_bytes(packed_as(ending.lower(), content.encode()))
    assert Corpus.read(packed).texts == Corpus.read(plain).texts


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("what", ["cut short", "empty", "not packed"])
def test_what_cannot_be_unpacked_is_refused(
    what: str, ending: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(corpus_rows, "LARGE", 1)
    packed = packed_as(ending, JSONL.encode())
    data = {"cut short": packed[:-9], "empty": b"", "not packed": JSONL.encode()}[what]
    file = tmp_path / f"a.jsonl{ending}"
    file.write_bytes(data)
    with pytest.raises(CorpusError, match=r"a\.jsonl.*(cannot be unpacked|has no texts)"):
        Corpus.read(file)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_large_one_is_unpacked_on_disk_for_as_long_as_it_is_needed(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_rows, "LARGE", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    file = tmp_path / f"a.jsonl{ending}"
    file.write_bytes(packed_as(ending, JSONL.encode()))
    corpus = Corpus.read(file)
    assert isinstance(corpus.texts, TextsOnDisk)
    assert [text.text for text in corpus.limit(None, {"de": 0}).texts] == ["un"]
    assert list((tmp_path / "tmp").iterdir())
    del corpus
    gc.collect()
    assert not list((tmp_path / "tmp").iterdir())
    file.write_bytes(packed_as(ending, (JSONL + "{}\n").encode()))
    with pytest.raises(CorpusError, match=rf"a\.jsonl\{ending}:3: "):
        Corpus.read(file)


def test_a_parquet_file_is_read_as_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    plain, file = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    plain.write_text(JSONL)
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    assert Corpus.read(file).texts == Corpus.read(plain).texts
    with pytest.raises(CorpusError, match="has no column 'body', only 'text', 'language'"):
        Corpus.read(file, columns=Columns(text="body"))
    bad = [{**ROWS[0], "text": " "}, ROWS[1]]
    parquet.write_table(pyarrow.Table.from_pylist(bad), file)
    with pytest.raises(CorpusError, match=r"a\.parquet:1: the text is empty"):
        Corpus.read(file)
    file.write_bytes(b"PAR1 no")
    with pytest.raises(CorpusError, match="cannot be read as a Parquet file"):
        Corpus.read(file)
