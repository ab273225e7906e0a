"""Kinds of architecture, built as for docs/models.md: their blocks are found, the edit is exact."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / "tools" / "make_models_table.py"
EXACT = {
    "granitemoehybrid": "attention and state space, mixture of experts",
    "jamba": "attention and state space",
    "qwen3_next": "linear attention",
    "gpt_oss": "sliding window, mixture of experts",
    "gpt_neox": "attention and feed-forward in parallel",
    "longcat_flash": "two layers in a block",
    "deepseek_v3": "latent attention",
    "openai-gpt": "blocks return lists",
    "xlstm": "a matrix for a cache",
    "reformer": "a cache of its own kind",
    "llava": "a vision tower beside the decoder",
    "qwen2_vl": "a vision tower with blocks of its own",
}
REFUSED = {
    "deepseek_v4": "it keeps several streams per token",
    "gemma3n_text": "it keeps several streams per token",
    "cpmant": r"a layer returns \(2, 35, 32\) for 2 rows of 3 tokens",
    "hrm_text": "has no list of 32 layers; its module lists are",
    "florence2": "reads the prompt with an encoder and answers with a decoder",
    "diffusion_gemma": r"logits of shape \(2, 256, 320\) for 2 rows of 3 tokens",
}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_models_table", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_models_table"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", EXACT, ids=lambda kind: f"{kind}, {EXACT[kind]}")
def test_steering_is_exact(tool, kind: str) -> None:
    row = tool.examine(kind, dict(tool.architectures())[kind])
    assert row.path, row.outcome
    assert not row.outcome
    assert "vis" not in row.path


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_steered_is_refused_with_the_reason(tool, kind: str) -> None:
    row = tool.examine(kind, dict(tool.architectures())[kind])
    assert not row.path
    assert row.model
    assert re.search(REFUSED[kind], row.outcome)


def test_a_model_that_needs_an_image_is_steered_by_its_language_part(tool) -> None:
    """The whole model writes with that part: the same edit steers it, and only its row."""
    row = tool.examine("blip-2", dict(tool.architectures())["blip-2"])
    assert (row.path, row.part) == ("", "language_model")
    model = tool.build("blip-2", dict(tool.architectures())["blip-2"])
    stream = ResidualStream(model.get_submodule(row.part))
    size = model.config.vision_config.image_size
    model.config.image_token_id = image = 300
    ids = torch.full((2, model.config.num_query_tokens), image)
    inputs = {
        "pixel_values": torch.zeros(2, 3, size, size),
        "input_ids": torch.cat([ids, torch.tensor([[5, 6, 7], [8, 9, 10]])], dim=1),
    }

    def logits() -> torch.Tensor:
        options = {"max_new_tokens": 3, "do_sample": False, "eos_token_id": None}
        out = model.generate(**inputs, **options, return_dict_in_generate=True, output_logits=True)
        return torch.stack(out.logits)

    plain = logits()
    vector = 5 * torch.randn(stream.width, generator=torch.Generator().manual_seed(0))
    with steering(stream, [Edit({1: Shift(vector)}), None]):
        mixed = logits()
    assert torch.equal(mixed[:, 1], plain[:, 1])
    assert not torch.allclose(mixed[:, 0], plain[:, 0], atol=1e-2)
