"""A checkpoint as a GGUF file in float32, for llama.cpp, with a vocabulary of made-up tokens.

Prompts are given as numbers, so the text of a token does not matter. Only what the engines are
compared on: Llama, Mistral without a window, Qwen2, Qwen3, Gemma 2 and Gemma 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM

ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}


def write_gguf(folder: Path, out: Path) -> None:
    """Convert the checkpoint in a folder."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = model.config
    name = ARCHITECTURES[config.model_type]
    writer = gguf.GGUFWriter(out, name)
    _metadata(writer, config)
    _vocabulary(writer, config.vocab_size)
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == name)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    tied = bool(config.tie_word_embeddings)
    for key, tensor in model.state_dict().items():
        if tied and key == "lm_head.weight":
            continue
        target = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise SystemExit(f"{key} has no name in a {name}")
        writer.add_tensor(target, _values(key, tensor.float().numpy(), config, name))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _metadata(writer: gguf.GGUFWriter, config: Any) -> None:
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_name("interop")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(size)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    rope = config.rope_parameters
    full = rope.get("full_attention", rope)
    writer.add_rope_freq_base(full["rope_theta"])
    if config.model_type.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def _vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{number}" for number in range(size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["t 0"])
    writer.add_bos_token_id(size - 2)
    writer.add_eos_token_id(size - 1)
    writer.add_add_bos_token(False)


def _values(key: str, array: np.ndarray[Any, Any], config: Any, name: str) -> Any:
    if name == "llama" and ".self_attn.q_proj." in key:
        array = _interleaved(array, config.num_attention_heads)
    if name == "llama" and ".self_attn.k_proj." in key:
        array = _interleaved(array, config.num_key_value_heads)
    if name.startswith("gemma") and key.endswith("norm.weight"):
        array = array + 1  # the norms of Gemma multiply by 1 + weight
    return np.ascontiguousarray(array, dtype=np.float32)


def _interleaved(array: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Rows of queries or keys in the order of llama.cpp: the halves of each head in turn."""
    rows = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return rows.swapaxes(1, 2).reshape(array.shape)
