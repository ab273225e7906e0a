"""Write docs/models.md: which architectures of the installed transformers can be steered.

Every architecture that `AutoModelForCausalLM` and `AutoModelForImageTextToText` know is built with
a tiny random configuration, bound, and put through the checks of `langsteer verify`.
"""

import argparse
import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PretrainedConfig
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from langsteer.errors import ModelError
from langsteer.residual import ResidualStream
from langsteer.verify import verify_stream

LAYERS, LIMIT = 4, 20_000_000
SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "model_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "n_layers", "depth"), LAYERS),
    **dict.fromkeys(("decoder_layers", "encoder_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "multi_query_group_num"), 2),
    **dict.fromkeys(("head_dim", "attention_head_dim", "kv_channels", "global_head_dim"), 8),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "d_ff", "mlp_hidden_size"), 64),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim", "ffn_hidden_size"), 64),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k"), 2),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "num_shared_experts"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "v_head_dim", "qk_nope_head_dim"), 8),
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads", "linear_num_value_heads"), 4),
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size", "mamba_dt_rank"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim"), 16),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8),
    "qk_rope_head_dim": 4,
    "rotary_dim": 4,
    "linear_num_key_heads": 2,
    "vocab_size": 320,
    "vocab_size_per_layer_input": 320,
    "hidden_size_per_layer_input": 8,
    "image_size": 28,
    "patch_size": 14,
    "lru_width": 32,
    "attention_window_size": 16,
    "sliding_window": 8,
    "word_embed_proj_dim": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
PER_LAYER = ("layer_types", "layers_block_type", "mlp_layer_types", "block_types")
SPECIAL: dict[str, dict[str, Any]] = {}


@dataclass
class Row:
    """What was found for one architecture."""

    kind: str
    model: str = ""
    path: str = ""
    outcome: str = ""


def shrunk(config: PretrainedConfig) -> dict[str, Any]:
    """Constructor arguments that make this configuration tiny."""
    arguments: dict[str, Any] = {}
    for name, value in config.to_dict().items():
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig):
            arguments[name] = shrunk(part)
        elif name == "head_dim" and getattr(config, "kv_lora_rank", None) is not None:
            continue  # latent attention derives it
        elif name == "is_decoder":
            arguments[name] = True
        elif name in SMALL and value is not None:
            arguments[name] = SMALL[name]
        elif name in PER_LAYER and isinstance(value, list) and value:
            arguments[name] = spread(value)
    return arguments


def spread(kinds: list[Any]) -> list[Any]:
    """One entry for each layer, with every kind of layer among them."""
    different = list(dict.fromkeys(kinds))
    return [different[layer % len(different)] for layer in range(LAYERS)]


def build(kind: str, auto: Any) -> torch.nn.Module:
    """A tiny random model of this architecture."""
    config_class = CONFIG_MAPPING[kind]
    config = config_class(**{**shrunk(config_class()), **SPECIAL.get(kind, {})})
    with torch.device("meta"):
        size = sum(weight.numel() for weight in auto.from_config(config).parameters())
    if size > LIMIT:
        raise ValueError(f"its smallest configuration has {size / 1e6:.0f} M parameters")
    torch.manual_seed(0)
    model = auto.from_config(config).eval().float()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.mul_(4.0)
    return model


def examine(kind: str, auto: Any) -> Row:
    """Build, bind and verify one architecture."""
    row = Row(kind)
    try:
        model = build(kind, auto)
    except Exception as error:  # whatever a configuration class objects to is the finding
        row.outcome = f"not built: {first_line(error)}"
        return row
    row.model = type(model).__name__
    try:
        stream = ResidualStream(model)
    except ModelError as error:
        row.outcome = f"refused: {first_line(error)}"
        return row
    row.path = stream.path
    failed = [check for check in verify_stream(stream) if not check.ok]
    row.outcome = "; ".join(f"{check.name}: {first_line(check.detail)}" for check in failed)
    return row


def first_line(error: object) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].replace("|", "/")[:160]


def architectures() -> Iterator[tuple[str, Any]]:
    """Every architecture of the two mappings, text models first."""
    text = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    images = modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    yield from ((kind, AutoModelForCausalLM) for kind in sorted(text))
    yield from ((kind, AutoModelForImageTextToText) for kind in sorted(set(images) - set(text)))


def table(rows: list[Row]) -> str:
    """The page."""
    bound = [row for row in rows if row.path]
    exact = [row for row in bound if not row.outcome]
    unbuilt = [row for row in rows if not row.model]
    lines = [
        "# Models",
        "",
        f"Made by `tools/make_models_table.py` with transformers {transformers.__version__}.",
        "Every architecture, with a tiny random configuration, goes through the checks of",
        "`langsteer verify`.",
        "",
        f"{len(rows)} architectures are known; {len(rows) - len(unbuilt)} could be built.",
        f"The blocks of {len(bound)} were found, and {len(exact)} pass every check.",
        "",
        "| architecture | class | blocks | steering |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row.kind} | {row.model} | {row.path and f'`{row.path}`'} | {row.outcome or 'exact'} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/models.md"))
    parser.add_argument("--only", nargs="*", help="these architectures only, to the terminal")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    rows = []
    for kind, auto in architectures():
        if chosen.only and kind not in chosen.only:
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            rows.append(examine(kind, auto))
        print(f"{kind}: {rows[-1].path} {rows[-1].outcome or 'exact'}", flush=True)
    if not chosen.only:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(table(rows))


if __name__ == "__main__":
    main()
