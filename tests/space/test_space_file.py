"""Files of version 0.1 load, what is newer is kept, what is damaged is refused."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import tiny
from langsteer.engines.transformers.model import Model
from langsteer.errors import SpaceError
from langsteer.space.file import checksum
from langsteer.space.identity import identify
from langsteer.space.increments import Increments
from langsteer.space.space import CorpusFacts, OperatingPoint, PairPoint, Space
from langsteer.statistics import Keep, Statistics
from latents import normal

OLD = Path(__file__).parent / "version_0_1.safetensors"
LANGUAGES = ("de", "en")


def made() -> Space:
    statistics = Statistics.empty(
        (0, 2), tiny.WIDTH, LANGUAGES, keep=Keep("language", sample=3, layers=(2,))
    )
    for i, language in enumerate(LANGUAGES):
        z = normal(5, 2, tiny.WIDTH, seed=i)
        weights = torch.tensor([1.0, 2, 3, 4, 5])
        statistics.update(z, weights, [language] * 5, list("abcde"), tokens=[1, 2, 3, 4, 5])
    facts = dict.fromkeys(LANGUAGES, 5)
    space = Space(
        identify(Model(tiny.shared("llama"), tiny.tokenizer()), name="some/llama"),
        CorpusFacts("texts", "abc", facts, facts),
        statistics,
        OperatingPoint(
            (2,), 0.5, "generated", scores={"both": 0.5}, split="tune", evidence={"cases": 3},
            pairs=(PairPoint("de", "en", (0,), 1.5, "end[-2:0]", "mean", {"both": 1.0}),),
        ),
    )  # fmt: skip
    return space.joined(
        Increments((0, 2), "all", {("de", "en"): normal(2, tiny.WIDTH, seed=7).float()})
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("space") / "s"
    made().save(path)
    return path.read_bytes()


@pytest.fixture
def path(data: bytes, tmp_path: Path) -> Path:
    (tmp_path / "s").write_bytes(data)
    return tmp_path / "s"


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["langsteer"])


def rewritten(path: Path, header: Any, tensors: dict[str, torch.Tensor] | None = None) -> None:
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(load_file(path) if tensors is None else tensors, path, metadata={"langsteer": text})


def test_a_space_of_version_0_1_loads() -> None:
    space = Space.load(OLD)
    assert (space.languages, space.layers, space.pooling) == (LANGUAGES, (2, 0), "tokens")
    assert space.versions["langsteer"] == "0.1.0"
    assert space.operating_point is not None
    assert space.operating_point.of("en", "de").scope == "end[-2:0]"
    edit = space.edit("de", "en")
    assert (list(edit.maps), edit.strength) == ([2], 0.5)
    assert space.edit("en", "de").maps[0].change(torch.zeros(tiny.WIDTH)).isfinite().all()
    space.check(Model(tiny.make("llama"), tiny.tokenizer()))


def test_what_is_saved_comes_back_whole(path: Path, tmp_path: Path) -> None:
    one, back = made(), Space.load(path)
    for part in ("model", "corpus", "operating_point", "versions", "layers", "languages"):
        assert getattr(one, part) == getattr(back, part), part
    assert back.increments[0].layers == (0, 2)
    shifts = back.edit("de", "en", point=OperatingPoint((2, 0))).maps
    assert torch.equal(shifts[2].vector, one.increments[0].shifts["de", "en"][1])
    back.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_what_a_newer_minor_version_adds_is_kept(path: Path, tmp_path: Path) -> None:
    header, tensors = header_of(path), load_file(path)
    header["format_minor"] = 7
    header["licence"] = {"name": "CC0"}
    header["model"]["architecture"] = "Llama"
    header["statistics"]["counts"]["letters"] = [3, 4]
    header["operating_point"]["cooling"] = 0.1
    tensors["kurtosis"] = torch.ones(3)
    header["checksum"] = checksum(tensors)
    rewritten(path, header, tensors)
    space = Space.load(path)
    space.save(tmp_path / "again")
    again = header_of(tmp_path / "again")
    assert again["licence"] == {"name": "CC0"}
    assert again["model"]["architecture"] == "Llama"
    assert again["statistics"]["counts"]["letters"] == [3, 4]
    assert again["operating_point"]["cooling"] == 0.1
    assert torch.equal(load_file(tmp_path / "again")["kurtosis"], torch.ones(3))
    space.with_operating_point(OperatingPoint((0,))).save(tmp_path / "other")
    assert "cooling" not in header_of(tmp_path / "other")["operating_point"], "of another point"


def test_newer_major_versions_are_refused(path: Path) -> None:
    rewritten(path, header_of(path) | {"format_version": 99})
    with pytest.raises(SpaceError, match=r"version 99.*Upgrade"):
        Space.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(path: Path, tmp_path: Path, value: float) -> None:
    tensors = load_file(path)
    tensors["moments.mean"][0, 1, 3] = value
    header = header_of(path)
    del header["checksum"]
    rewritten(path, header, tensors)
    with pytest.raises(SpaceError, match=r"'moments.mean' holds values that are not finite"):
        Space.load(path)
    space = made()
    space.statistics.moments["de"].mean[0, 0] = value
    with pytest.raises(SpaceError, match="not finite"):
        space.save(tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_flipped_bit_is_found(path: Path) -> None:
    tensors = load_file(path)
    tensors["alignment.counts"][0] += 1
    rewritten(path, header_of(path), tensors)
    with pytest.raises(SpaceError, match="checksum"):
        Space.load(path)


WRONG = [None, True, -1, 2.5, "x", [], {}, [None], {"a": None}, 10**400, float("nan"), "\ud800"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path] * bool(path) + [
        found
        for key, one in inner
        for found in (places(one, (*path, key)) if isinstance(one, dict | list) else [(*path, key)])
    ]


def loads(path: Path) -> bool:
    """Whether the file can be read and used, or is refused in one line."""
    try:
        space = Space.load(path)
    except SpaceError as error:
        if len(str(error).splitlines()) > 1:
            raise
        return False
    source, target = space.languages[:2]
    space.edit(source, target, point=OperatingPoint(space.layers[:1]))
    return True


@pytest.mark.slow
def test_no_wrong_value_in_the_header_is_more_than_an_error(path: Path) -> None:
    """Every field of the header, replaced by values of every kind, or left out."""
    header, refused = header_of(path), 0
    tensors = load_file(path)
    for place in places(header):
        if "weights" in place or ("shapes" in place and len(place) > 2):
            continue
        for wrong in [*WRONG, ...]:
            changed = json.loads(json.dumps(header))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            if wrong is ...:
                del inner[place[-1]]
            else:
                inner[place[-1]] = wrong
            rewritten(path, changed, tensors)
            refused += not loads(path)
    assert refused > 500


def test_a_header_of_another_kind_is_one_line(path: Path) -> None:
    for text in ("", "[]", "7", "null", "{", "[" * 100_000, '{"a":' * 50_000):
        rewritten(path, text)
        with pytest.raises(SpaceError, match="damaged"):
            Space.load(path)


def test_no_flipped_byte_is_more_than_an_error(data: bytes, path: Path) -> None:
    generator = random.Random(0)
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 1, 8))):
            changed[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(bytes(changed))
        loads(path)
    for length in (0, 7, 8, 50, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(SpaceError):
            Space.load(path)


def test_several_layers_without_increments_are_refused(path: Path) -> None:
    space = Space.load(path)
    both = OperatingPoint((0, 2))
    assert list(space.edit("de", "en", point=both).maps) == [0, 2]
    with pytest.raises(SpaceError, match=r"Use one layer, or fit the increments.*--increments 0,2"):
        space.edit("en", "de", point=both)
    with pytest.raises(SpaceError, match=r"'mean' works at one layer"):
        space.edit("de", "en", point=both, estimator="mean")
    with pytest.raises(SpaceError, match="increments"):
        space.maps("en", "de", [2, 0])
