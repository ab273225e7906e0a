"""Vectors of other tools become spaces, with their languages, layers and sizes as they were."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import vectors as other

import tiny
from commands import run
from langsteer.edits import Edit, Scope
from langsteer.edits.maps import Shift
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError, SpaceError
from langsteer.interchange import ImportOptions, Origin, export, import_files
from langsteer.space.space import Space


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model of the shape that the vectors have."""
    tiny.make(
        "llama", num_hidden_layers=other.DEPTH, hidden_size=other.WIDTH, head_dim=4
    ).save_pretrained(tmp_path / "model")
    tiny.tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def pair(model: str) -> ImportOptions:
    return ImportOptions(model=model, source="en", target="de")


@pytest.mark.parametrize(
    "format", ["pt", "gguf", "repeng", "easysteer", "steering-vectors", "lm-eval"]
)
@pytest.mark.parametrize("layers", [(2,), (1, 3)])
def test_out_and_in_again_it_is_the_same_bit_for_bit(
    format: str, layers: tuple[int, ...], model: str, tmp_path: Path
) -> None:
    given = Edit(
        {layer: Shift(other.vector(layer)) for layer in layers}, scope=Scope(spare_bos=False)
    )
    suffix = ".gguf" if format in ("gguf", "repeng", "easysteer") else ".pt"
    export(given, tmp_path / f"v{suffix}", format, Origin(model=model, model_type="llama"))
    found = import_files([tmp_path / f"v{suffix}"], pair(model))
    found.space.save(tmp_path / "space.safetensors")
    read = Space.load(tmp_path / "space.safetensors")
    for space in (found.space, read):
        edit = space.edit("en", "de")
        assert set(edit.maps) == set(layers)
        for layer in layers:
            assert torch.equal(edit.maps[layer].terms().bias, other.vector(layer))
            back = space.edit("de", "en").maps[layer].terms().bias
            assert torch.equal(back, -other.vector(layer))
    export(read.edit("en", "de"), tmp_path / f"again{suffix}", format, Origin(model, "llama"))
    assert (tmp_path / f"again{suffix}").read_bytes()[:4] == (tmp_path / f"v{suffix}").read_bytes()[
        :4
    ]
    again = import_files([tmp_path / f"again{suffix}"], pair(model))
    assert again.space.checksum() == read.checksum()


def test_the_means_of_clas_bench_are_those_of_a_space(tmp_path: Path) -> None:
    paths = [other.clas_bench(tmp_path, tag, seed) for seed, tag in enumerate(("de", "fr", "zh"))]
    found = import_files(paths)
    assert found.space.languages == ("de", "fr", "zh")
    assert found.space.layers == tuple(range(other.DEPTH))
    for layer in range(other.DEPTH):
        wanted = other.matrix(2)[layer].double() - other.matrix(0)[layer].double()
        assert torch.equal(found.space.map("de", "zh", layer).terms().bias, wanted.float())
    assert found.space.corpus.tokens == {"de": 9000, "fr": 9000, "zh": 9000}
    assert any("no model" in note for note in found.notes)


def test_the_arrays_of_recover_begin_with_the_embedding(tmp_path: Path) -> None:
    found = import_files([other.recover(tmp_path, "deu", 0), other.recover(tmp_path, "rus", 1)])
    assert found.space.languages == ("de", "ru")
    assert (found.space.layers, found.space.model.depth) == ((0, 1, 2), other.DEPTH)
    for layer in range(3):
        mean = other.matrix(1, other.DEPTH + 1)[layer + 1].double()
        assert torch.equal(found.space.mean("ru", layer), mean)


@pytest.mark.parametrize("make", [other.dictionary, other.svec, other.wire])
def test_directions_of_every_kind(make, model: str, tmp_path: Path) -> None:
    edit = import_files([make(tmp_path)], pair(model)).space.edit("en", "de")
    assert {layer: tuple(m.terms().bias.tolist()) for layer, m in edit.maps.items()} == {
        layer: tuple(other.vector(layer).tolist()) for layer in (1, 3)
    }


def test_layers_are_counted_as_the_file_shows_or_as_is_said(model: str, tmp_path: Path) -> None:
    def layers(named: dict, base: int | None = None, **options: object) -> list[int]:
        torch.save(named, tmp_path / "v.pt")
        given = ImportOptions(model=model, source="en", target="de", layer_base=base)
        return sorted(import_files([tmp_path / "v.pt"], given).space.edit("en", "de").maps)

    one = other.vector(1)
    assert layers({-1: one, -3: other.vector(2)}) == [1, 3]
    assert layers({1: one, 4: other.vector(2)}, base=1) == [0, 3]
    with pytest.raises(SpaceError, match="layer 4 is outside the model, which has 4 layers"):
        layers({4: one})
    with pytest.raises(SpaceError, match="twice"):
        layers({3: one, -1: one})

    def directions(numbers: tuple[int, ...], base: int | None = None) -> tuple[list[int], str]:
        export_raw(tmp_path / "v.gguf", numbers)
        given = ImportOptions(model=model, source="en", target="de", layer_base=base)
        found = import_files([tmp_path / "v.gguf"], given)
        (file,) = found.files.values()
        return sorted(found.space.edit("en", "de").maps), file.numbering

    assert directions((1, 2, 3, 4))[0] == [0, 1, 2, 3]
    assert "counted from 1: the model has 4 layers" in directions((1, 2, 3, 4))[1]
    assert directions((0, 1, 2, 3))[0] == [0, 1, 2, 3]
    assert directions((1, 2, 3))[0] == [1, 2, 3]
    assert directions((1, 2, 3), base=1)[0] == [0, 1, 2]


def export_raw(path: Path, numbers: tuple[int, ...]) -> None:
    from langsteer.interchange.gguf_file import write_directions

    write_directions(path, {number: other.vector(number) for number in numbers}, "llama")


def test_directions_of_norm_1_are_said_to_be_and_can_be_scaled(model: str, tmp_path: Path) -> None:
    unit = {layer: other.vector(layer) / other.vector(layer).norm() for layer in (1, 2)}
    torch.save(unit, tmp_path / "v.pt")
    found = import_files([tmp_path / "v.pt"], pair(model))
    assert any("norm 1" in note for note in found.notes)
    options = ImportOptions(model=model, source="en", target="de", scale=7.5)
    scaled = import_files([tmp_path / "v.pt"], options).space.edit("en", "de")
    assert float(scaled.maps[1].terms().bias.norm()) == pytest.approx(7.5)


@pytest.mark.parametrize("kind", ["means", "direction"])
def test_what_is_imported_works_like_a_fitted_space(
    kind: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "s.safetensors"
    if kind == "means":
        files = [other.clas_bench(tmp_path, tag, seed) for seed, tag in enumerate(("en", "de"))]
        words: list[object] = []
    else:
        files = [other.dictionary(tmp_path)]
        words = ["--from", "en", "--to", "de"]
    assert run("import", *files, "-o", space, "--model", model, *words) == 0
    assert "numbering:" in capsys.readouterr().out
    assert run("inspect", space) == 0
    assert "German" in capsys.readouterr().out
    asked = ["generate", model, "-s", space, "--from", "en", "--to", "de", "hello"]
    assert run(*asked, "--max-new-tokens", 4) == 0
    assert "only the shape could be compared" in " ".join(capsys.readouterr().err.split())
    loaded = Model.from_pretrained(model)
    plain = loaded.generate("hello", None, max_new_tokens=8)
    edit = Space.load(space).edit("en", "de").at(strength=4.0)
    assert loaded.generate("hello", edit, max_new_tokens=8) != plain


def test_what_must_be_said_is_asked_for(model: str, tmp_path: Path) -> None:
    direction, mean = other.dictionary(tmp_path), other.clas_bench(tmp_path, "de", 0)
    array = other.recover(tmp_path, "x1", 0)
    for paths, options, why in (
        ([direction], ImportOptions(model=model), "--from en --to de"),
        ([direction], ImportOptions(source="en", target="de"), "--model"),
        ([mean], ImportOptions(), "one mean alone"),
        ([mean, mean], ImportOptions(), "one mean alone|second mean"),
        ([array, other.recover(tmp_path, "deu", 1)], ImportOptions(), "x1"),
        ([mean, direction], ImportOptions(model=model), "does not belong"),
        ([direction], ImportOptions(model=model, source="en", target="en"), "to itself"),
        (
            [direction],
            ImportOptions(model=str(tmp_path / "no"), source="en", target="de"),
            "there is no folder",
        ),
        ([tmp_path], ImportOptions(), "is no file"),
        ([tmp_path / "none"], ImportOptions(), "is no file"),
        ([Path(model) / "config.json"], ImportOptions(), "no format"),
        ([Path(model) / "model.safetensors"], ImportOptions(), "no format"),
    ):
        with pytest.raises(LangsteerError, match=why):
            import_files(paths, options)


def test_a_model_of_another_shape_is_refused(model: str, tmp_path: Path) -> None:
    tiny.make("llama").save_pretrained(tmp_path / "other")
    paths = [other.clas_bench(tmp_path, tag, seed) for seed, tag in enumerate(("en", "de"))]
    with pytest.raises(SpaceError, match="of another model"):
        import_files(paths, ImportOptions(model=str(tmp_path / "other")))
    space = import_files(paths).space
    with (
        Model(tiny.shared("llama"), tiny.tokenizer()) as loaded,
        pytest.raises(SpaceError, match="width"),
    ):
        space.check(loaded)


def test_files_that_lie_are_refused_in_one_line(model: str, tmp_path: Path) -> None:
    file = tmp_path / "v.gguf"
    huge = 2**62
    held = {
        "counts": b"GGUF" + struct.pack("<IQQ", 3, huge, huge),
        "name": b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, huge),
        "array": b"GGUF"
        + struct.pack("<IQQQ", 3, 0, 1, 1)
        + b"a"
        + struct.pack("<IIQ", 9, 4, huge),
        "cut": b"GGUF" + struct.pack("<IQ", 3, 1),
    }
    for what, data in held.items():
        file.write_bytes(data)
        with pytest.raises(SpaceError, match=r"v\.gguf"):
            import_files([file], pair(model))
        assert what
    array = tmp_path / "deu.npy"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header += b" " * (117 - len(header)) + b"\n"
    array.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(SpaceError, match=r"deu\.npy"):
        import_files([array])
    np.save(array, np.array([object()]), allow_pickle=True)
    with pytest.raises(SpaceError, match="not loaded"):
        import_files([array])
    torch.save({1: torch.zeros(1).expand(2**40)[: 2**40]}, tmp_path / "v.pt")
    with pytest.raises(SpaceError, match=r"v\.pt"):
        import_files([tmp_path / "v.pt"], pair(model))
    (tmp_path / "v.svec").write_text(json.dumps({"directions": {"1": [[float("nan")] * 8]}}))
    with pytest.raises(SpaceError, match="not finite"):
        import_files([tmp_path / "v.svec"], pair(model))
