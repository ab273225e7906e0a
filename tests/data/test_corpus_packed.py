"""Packed files and Parquet files give the corpus that the plain file gives."""

import gzip
import json
from pathlib import Path

import pytest

from langsteer.data.corpus import Columns, Corpus
from langsteer.errors import CorpusError

ROWS = [
    {"text": "eins", "language": "de", "concept": "1", "note": 5},
    {"text": "un", "language": "fr", "concept": "1", "note": 6},
]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = "text,language\neins,de\n"


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", JSONL), ("a.csv", CSV), ("A.TSV", "")])
def test_a_packed_file_is_read_as_the_plain_one(name: str, content: str, tmp_path: Path) -> None:
    content = content or CSV.replace(",", "\t")
    plain, packed = tmp_path / name, tmp_path / f"{name}.gz"
    plain.write_text(content)
    packed.write_bytes(gzip.compress(content.encode()))
    assert Corpus.read(packed).texts == Corpus.read(plain).texts


@pytest.mark.parametrize(
    "data",
    [gzip.compress(JSONL.encode())[:-9], b"", JSONL.encode()],
    ids=["cut short", "empty", "not packed"],
)
def test_what_cannot_be_unpacked_is_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(data)
    with pytest.raises(CorpusError, match=r"cannot be unpacked|has no texts"):
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
