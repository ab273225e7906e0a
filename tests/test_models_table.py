"""Kinds of architecture, built as for docs/models.md: their blocks are found, the edit is exact."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "make_models_table.py"
EXACT = {
    "granitemoehybrid": "attention and state space, mixture of experts",
    "jamba": "attention and state space",
    "qwen3_next": "linear attention",
    "gpt_oss": "sliding window, mixture of experts",
    "gpt_neox": "attention and feed-forward in parallel",
    "longcat_flash": "two layers in a block",
    "deepseek_v3": "latent attention",
    "openai-gpt": "blocks return lists",
    "reformer": "a cache of its own kind",
    "llava": "a vision tower beside the decoder",
    "qwen2_vl": "a vision tower with blocks of its own",
}
REFUSED = {
    "deepseek_v4": "it keeps several streams per token",
    "gemma3n_text": "it keeps several streams per token",
    "cpmant": r"a block returns \(2, 35, 32\) for 2 rows of 3 tokens",
    "pp_formulanet": "has no embedding of text tokens",
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
