from __future__ import annotations

from pathlib import Path

import pytest
import torch

from langsteer.edits import Edit, Scope
from langsteer.edits.maps import Diagonal, Shift
from langsteer.errors import SteeringError
from langsteer.interchange import export
from langsteer.interchange.export import EXPORTERS


def edit(**options: object) -> Edit:
    vectors = {layer: Shift(torch.randn(8, generator=torch.manual_seed(layer))) for layer in (1, 3)}
    return Edit(vectors, **options)  # type: ignore[arg-type]


def test_plain_tensors_come_back_bit_for_bit_with_the_strength_folded_in(tmp_path: Path) -> None:
    given = edit(strength=0.5)
    found = export(given, tmp_path / "de.pt")
    read = torch.load(tmp_path / "de.pt", weights_only=True)
    assert set(read) == {1, 3}
    for layer, vector in read.items():
        assert torch.equal(vector, 0.5 * given.maps[layer].vector)  # type: ignore[attr-defined]
    assert found.files == (tmp_path / "de.pt", tmp_path / "de.json")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (edit(scope=Scope.parse("generated")), "--scope all"),
        (edit(restore_norm=True), "restore_norm"),
        (Edit({0: Diagonal(torch.ones(8), torch.ones(8))}), "diagonal"),
        (edit(scope=Scope(excluded=frozenset({3}))), "by tokens"),
        (Edit({}), "no layer"),
    ],
)
@pytest.mark.parametrize("name", EXPORTERS)
def test_what_a_format_cannot_say_is_refused_and_nothing_is_written(
    given: Edit, why: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(SteeringError, match=why):
        export(given, tmp_path / "file", name)
    assert not list(tmp_path.iterdir())


def test_a_format_is_named_or_shown_by_the_suffix(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match="suffix"):
        export(edit(), tmp_path / "de.bin")
    with pytest.raises(SteeringError, match="Did you mean pt"):
        export(edit(), tmp_path / "de.bin", "ptt")


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    assert any("beginning-of-sequence" in note for note in export(edit(), tmp_path / "a.pt").notes)
