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
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from langsteer.engines.transformers.stream import ResidualStream
from langsteer.engines.transformers.verify import verify_stream
from langsteer.errors import ModelError

LAYERS, LIMIT = 4, 200_000_000
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
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    **dict.fromkeys(("n_shared_experts", "num_shared_experts"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "v_head_dim", "qk_nope_head_dim"), 8),
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads", "linear_num_value_heads"), 4),
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size", "mamba_dt_rank"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim"), 16),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8),
    "qk_rope_head_dim": 8,
    "rotary_dim": 4,
    "linear_num_key_heads": 2,
    "vocab_size": 320,
    "vocab_size_per_layer_input": 320,
    "hidden_size_per_layer_input": 8,
    "out_hidden_size": 32,
    "text_hidden_size": 32,
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
MROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
QSA = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 8,
    "indexer_compress_ratio": 2,
}
SPECIAL: dict[str, dict[str, Any]] = {  # what the general sizes above do not cover
    "bamba": {"attn_layer_indices": [1]},
    "chameleon": {"vocabulary_map": {"<image>": 5}},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}
    },
    "blt": {"encoder_hash_byte_group_vocab": 64},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4}},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    "deepseek_ocr2_text": {
        "mlp_layer_types": ["dense", "sparse"] * 2,
        "num_experts_per_tok": 2,
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots3_note_audio_encoder": {"adapter_input_size": 32, "adapter_out_dim": 32},
    "dots3_note_vision_encoder": {"adapter_in_dim": 32, "adapter_out_dim": 32},
    "diffusion_gemma_text": {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 32},
    "ernie4_5_vl_moe_text": {"moe_intermediate_size": [32, 32], "head_dim": 128},
    "florence_vision": {"patch_size": [7, 3, 3, 3]},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gemma3n_text": {"num_kv_shared_layers": 0, "intermediate_size": 64},
    "gemma4_text": {"global_head_dim": 8},
    "gemma4_unified_text": {"global_head_dim": 8},
    "glm4v_text": {"rope_parameters": MROPE},
    "glm_ocr_text": {"rope_parameters": MROPE},
    "glm4v_moe_text": {
        "rope_parameters": {**MROPE, "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 0]}
    },
    "glm5_next_text": {"num_key_value_heads": 4, "qk_rope_head_dim": 0},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granite4_vision": {
        "deepstack_layer_map": [],
        "downsample_rate": "1/2",
        "spatial_target_layers": [],
        "vision_config": {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4},
    },
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "hunyuan_vl_text": {
        "head_dim": 8,
        "rope_parameters": {**MROPE, "mrope_section": [1, 1, 1, 1]},
    },
    "janus_vqgan": {"base_channels": 32, "num_embeddings": 64},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "longcat_flash": {"expert_ffn_hidden_size": 32, "zero_expert_num": 2},
    "mamba2": {"num_heads": 4, "head_dim": 16, "n_groups": 2},
    "ministral": {"head_dim": 8},
    "mistral4": {"head_dim": 16},
    "molmo2_adapter": {"vision_feature_layer": [3, 1]},
    "nemotron": {"num_key_value_heads": 2},
    "nemotron_h": {"n_groups": 2},
    "paddleocr_vl_text": {"rope_parameters": MROPE},
    "qwen2_vl_text": {"rope_parameters": MROPE},
    "qwen2_5_vl_text": {"rope_parameters": MROPE},
    "qwen2_5_omni_text": {"rope_parameters": MROPE},
    "qwen2_5_omni_thinker": {"vision_start_token_id": 5, "audio_start_token_id": 6},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": 5, "audio_start_token_id": 6},
    "qwen4_exp_text": {"linear_num_value_heads": 4, "linear_num_key_heads": 2, **QSA},
    "radio": {"video_temporal_patch_size": 2},
    "reformer": {"axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 8]},
    "step3p5": {"sliding_window": 8},
    "xlm": {"emb_dim": 32, "n_words": 320, "causal": True},
    "xlstm": {"hidden_size": 128},
    "xmod": {"default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
}


@dataclass
class Row:
    """What was found for one architecture."""

    kind: str
    model: str = ""
    path: str = ""
    outcome: str = ""
    part: str = ""


def shrunk(config: PretrainedConfig) -> dict[str, Any]:
    """Constructor arguments that make this configuration tiny."""
    arguments: dict[str, Any] = {}
    given = config.to_dict()
    for name, value in given.items():
        part = vars(config).get(name)  # an attribute that differs by layer cannot be asked for
        if isinstance(part, PretrainedConfig):
            arguments[name] = {"model_type": part.model_type, **shrunk(part)}
        elif name == "is_decoder":
            arguments[name] = True
        elif name in SMALL and value is not None:
            arguments[name] = alike(value, SMALL[name])
        elif name in PER_LAYER and isinstance(value, list) and value:
            arguments[name] = spread(value)
        elif name == "rope_parameters" and isinstance(value, dict) and "mrope_section" in value:
            arguments[name] = {**value, "mrope_section": sections(value, given)}
    if given.get("kv_lora_rank") is not None and "num_key_value_heads" in arguments:
        arguments["num_key_value_heads"] = SMALL["num_attention_heads"]  # latent attention
    return {**arguments, **SPECIAL.get(config.model_type, {})}


def alike(value: Any, small: Any) -> Any:
    """The small value, once for each entry where the configuration has a list."""
    return [small] * len(value) if isinstance(value, list | tuple) else small


def sections(rope: dict[str, Any], given: dict[str, Any]) -> list[int]:
    """How the pairs of rotated coordinates are shared among time, height and width."""
    pairs = int(SMALL["head_dim"] * rope.get("partial_rotary_factor", 1.0)) // 2
    return [pairs - 2 * (pairs // 3), pairs // 3, pairs // 3]


def spread(kinds: list[Any]) -> list[Any]:
    """One entry for each layer, with every kind of layer among them."""
    different = list(dict.fromkeys(kinds))
    return [different[layer % len(different)] for layer in range(LAYERS)]


def build(kind: str, auto: Any) -> torch.nn.Module:
    """A tiny random model of this architecture."""
    config_class = CONFIG_MAPPING[kind]
    config = config_class(**shrunk(config_class()))
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
        row.part = language_part(model)
        return row
    row.path, row.outcome = stream.path, failures(stream)
    if row.outcome and (own := own_failure(model)):
        row.outcome = f"cannot continue a batch, steered or not: {own}"
    return row


def failures(stream: ResidualStream) -> str:
    """Which checks fail, and how; empty if none does."""
    failed = [check for check in verify_stream(stream) if not check.ok]
    return "; ".join(f"{check.name}: {first_line(check.detail)}" for check in failed)


def language_part(model: torch.nn.Module) -> str:
    """The path of a part that writes text and is exact when it is bound by itself; empty if none.

    The whole model calls that part to generate, and so is steered with it.
    """
    for name, part in model.named_modules():
        if not name or not isinstance(part, PreTrainedModel) or not part.can_generate():
            continue
        with contextlib.suppress(ModelError):
            return name if not failures(ResidualStream(part)) else ""
    return ""


def own_failure(model: Any) -> str:
    """Why the model cannot continue a batch of two prompts even unsteered; empty if it can."""
    ids = torch.arange(8, 16).view(2, 4)
    try:
        together, alone = (continued(model, rows) for rows in (ids, ids[:1]))
    except Exception as error:  # any failure of the model's own code is the finding
        return first_line(error)
    mixed = not torch.allclose(together[:, :1], alone, rtol=1e-2, atol=1e-2)
    return "its own code mixes the rows of a batch" if mixed else ""


def continued(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """The logits [steps, rows, vocabulary] of a few steps of the unsteered model."""
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=3,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return torch.stack(found.logits)


def first_line(error: object) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].replace("|", "/")[:300]


def architectures() -> Iterator[tuple[str, Any]]:
    """Every architecture of the two mappings, text models first."""
    text = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    images = modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    yield from ((kind, AutoModelForCausalLM) for kind in sorted(text))
    yield from ((kind, AutoModelForImageTextToText) for kind in sorted(set(images) - set(text)))


def table(text: list[Row], images: list[Row]) -> str:
    """The page."""
    lines = [
        "# Models",
        "",
        "Made by `python tools/make_models_table.py` with",
        f"transformers {transformers.__version__} and torch {torch.__version__.split('+')[0]}.",
        "Every architecture that `AutoModelForCausalLM` or `AutoModelForImageTextToText` knows is",
        "built with a tiny random configuration, bound, and put through the checks of",
        "`langsteer verify`: strength 0 bit for bit, the change at the edited positions and",
        "nowhere else, rows apart from each other, padded equal to single, cached to uncached.",
        "",
        "- *exact*: all checks pass. Where the unsteered model itself rounds by its other rows",
        "  (experts) or by how it is cached, the check allows a difference of that size.",
        "- *refused*: binding says no, with this reason; such a model is never steered wrongly.",
        "  A part that is exact *by itself* can be bound instead, `ResidualStream(model.part)`:",
        "  the whole model calls it to write, and is steered with it.",
        "- *not built*: the library needs more than a tiny configuration; nothing is known.",
        "",
    ]
    for name, rows in (("Text", text), ("Text and images", images)):
        lines += [f"## {name}", "", counts(rows), "", *body(rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def counts(rows: list[Row]) -> str:
    """How many could be built, were bound and are exact."""
    built = sum(bool(row.model) for row in rows)
    bound = sum(bool(row.path) for row in rows)
    exact = sum(bool(row.path) and not row.outcome for row in rows)
    parts = sum(bool(row.part) for row in rows)
    rest = f" Of the others, {parts} have a language part that is exact by itself."
    return (
        f"{len(rows)} architectures are known; {built} could be built. "
        f"The layers of {bound} were found, and {exact} are exact.{rest if parts else ''}"
    )


def body(rows: list[Row]) -> list[str]:
    """The rows of the table in Markdown."""
    return [
        "| architecture | class | layers | steering |",
        "|---|---|---|---|",
        *(
            f"| {row.kind} | {row.model} | {row.path and f'`{row.path}`'} | {outcome(row)} |"
            for row in rows
        ),
    ]


def outcome(row: Row) -> str:
    """What the table says of one architecture."""
    part = f"; `{row.part}` by itself: exact" if row.part else ""
    return f"{row.outcome or 'exact'}{part}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/models.md"))
    parser.add_argument("--only", nargs="*", help="these architectures only, to the terminal")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    rows: dict[Any, list[Row]] = {AutoModelForCausalLM: [], AutoModelForImageTextToText: []}
    for kind, auto in architectures():
        if chosen.only and kind not in chosen.only:
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            row = examine(kind, auto)
        rows[auto].append(row)
        print(f"{kind}: {row.path} {outcome(row)}", flush=True)
    if not chosen.only:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(table(*rows.values()))


if __name__ == "__main__":
    main()
