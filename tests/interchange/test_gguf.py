"""A control vector is what llama.cpp's reader accepts: only `direction.N`, float32, one length."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from langsteer.edits import Edit
from langsteer.edits.maps import Shift
from langsteer.errors import SteeringError
from langsteer.interchange import Origin, export


def test_directions_are_the_shifts_bit_for_bit_at_their_layers(tmp_path: Path) -> None:
    vectors = {layer: torch.randn(8, generator=torch.manual_seed(layer)) for layer in (1, 3)}
    edit = Edit({layer: Shift(vector) for layer, vector in vectors.items()}, strength=1.5)
    export(edit, tmp_path / "de.gguf", origin=Origin(model_type="llama"))
    read = gguf.GGUFReader(tmp_path / "de.gguf")
    assert {one.name for one in read.tensors} == {"direction.1", "direction.3"}
    for one in read.tensors:
        assert one.tensor_type == gguf.GGMLQuantizationType.F32
        wanted = (1.5 * vectors[int(one.name.partition(".")[2])]).numpy()
        assert np.array_equal(one.data, wanted)
    assert read.get_field("general.architecture").contents() == "controlvector"
    assert read.get_field("controlvector.model_hint").contents() == "llama"


def test_layer_zero_cannot_be_said(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match="layer 0"):
        export(Edit({0: Shift(torch.ones(8))}), tmp_path / "de.gguf")
    assert not list(tmp_path.iterdir())
