"""Whatever is in a file: one line of an error or a space, nothing run, nothing written."""

from __future__ import annotations

import os
import pickle
import random
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import vectors as other

import tiny
from langsteer.errors import LangsteerError
from langsteer.interchange import ImportOptions, import_files

COUNT = int(os.environ.get("LANGSTEER_FUZZ", "150"))
"""Inputs for each kind of file; `make fuzz` tries 2,000."""
SECONDS = 5.0
GROWTH = 512 * 1024
"""KiB that memory may grow by, whatever a file says of its size."""


def gguf(folder: Path) -> Path:
    from langsteer.interchange.gguf_file import write_directions

    write_directions(folder / "v.gguf", {1: other.vector(1), 3: other.vector(3)}, "llama")
    return folder / "v.gguf"


def clas_bench(folder: Path) -> Path:
    return other.clas_bench(folder, "de", 0)


def recover(folder: Path) -> Path:
    return other.recover(folder, "deu", 0)


class Runs:
    """What a pickle would run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self.mark),))


def mutated(data: bytes, dice: random.Random) -> bytes:
    """The file cut, grown, overwritten in places, or with a length of its header made huge."""
    raw = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        way = dice.randrange(6)
        at = dice.randrange(max(len(raw), 1))
        if way == 0:
            del raw[at:]
        elif way == 1:
            raw[at : at + 1] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 8)))
        elif way == 2:
            raw[at : at + 8] = dice.choice([2**63 - 1, 2**40, 2**31]).to_bytes(8, "little")
        elif way == 3:
            raw[at:at] = dice.choice([b"9" * 30, b"NaN", b"1e999", b"[" * 3000, b"\x00" * 40])
        elif way == 4:
            raw[at : at + 4] = b"\xff\xff\xff\x7f"
        else:
            end = min(at + dice.randint(1, 40), len(raw))
            raw[at:end] = raw[at:end][::-1]
    return bytes(raw)


def tried(path: Path, options: ImportOptions) -> str:
    """What is said of a file; nothing of one that is still whole."""
    try:
        import_files([path], options)
    except LangsteerError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny.make(
        "llama", num_hidden_layers=other.DEPTH, hidden_size=other.WIDTH, head_dim=4
    ).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    "make",
    [clas_bench, recover, gguf, other.dictionary, other.svec, other.wire],
    ids=["clas-bench", "recover", "gguf", "torch", "svec", "easysteer"],
)
def test_damaged_files_are_one_line(
    make: Callable[[Path], Path], model: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    whole, beside = path.read_bytes(), set(tmp_path.iterdir())
    options = ImportOptions(model=model, source="en", target="de")
    dice = random.Random(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(COUNT):
        path.write_bytes(mutated(whole, dice))
        began = time.monotonic()
        said = tried(path, options)
        assert "\n" not in said
        assert len(said) < 900
        assert time.monotonic() - began < SECONDS
    assert set(tmp_path.iterdir()) == beside
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH


@pytest.mark.parametrize("name", ["v.pt", "vector.de.llama", "deu.npy", "v.gguf", "v.svec"])
def test_a_pickle_is_never_run(name: str, model: str, tmp_path: Path) -> None:
    mark = tmp_path / "run"
    held = {1: Runs(mark), "steering_vectors": Runs(mark), "num_tokens": 5}
    options = ImportOptions(model=model, source="en", target="de")
    torch.save(held, tmp_path / "torch")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(held))
        archive.writestr("archive/version", "3")
    (tmp_path / "pickle").write_bytes(pickle.dumps(held))
    for made in ("torch", "zip", "pickle"):
        (tmp_path / name).write_bytes((tmp_path / made).read_bytes())
        with pytest.raises(LangsteerError):
            import_files([tmp_path / name], options)
        assert not mark.exists()
