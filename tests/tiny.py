"""Tiny models of many families with random weights, and a tokenizer made in memory."""

from functools import cache

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedModel, PreTrainedTokenizerFast

WIDTH, DEPTH, VOCABULARY, CONTEXT = 16, 3, 300, 128
BOS, EOS, PAD = 256, 257, 258

# Tiny operations gain nothing from threads, and on a busy machine they wait for each other.
torch.set_num_threads(1)

_GENERAL = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
}
_GROUPED = {"num_key_value_heads": 1, "head_dim": 8}
FAMILIES: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("Llama", _GROUPED),
    "mistral": ("Mistral", {**_GROUPED, "sliding_window": 6}),
    "qwen2": ("Qwen2", {"num_key_value_heads": 1}),
    "qwen3": ("Qwen3", _GROUPED),
    "gemma2": ("Gemma2", {**_GROUPED, "sliding_window": 6}),
    "gemma3": ("Gemma3Text", {**_GROUPED, "sliding_window": 6}),
    "gpt2": ("GPT2", {}),
    "gpt_neox": ("GPTNeoX", {}),
    "phi": ("Phi", {}),
    "olmo2": ("Olmo2", {"num_key_value_heads": 1}),
    "falcon": ("Falcon", {"multi_query": True, "parallel_attn": True, "alibi": False}),
    "bloom": ("Bloom", {}),
    "mixtral": ("Mixtral", {**_GROUPED, "num_local_experts": 4}),
    "mamba": ("Mamba", {"state_size": 4, "expand": 2, "time_step_rank": 2}),
}
_MODEL_NAMES = {"Gemma3Text": "Gemma3ForCausalLM", "GPT2": "GPT2LMHeadModel"}


def make(family: str, seed: int = 0, **overrides: object) -> PreTrainedModel:
    """A tiny model of this family with random weights, in evaluation mode."""
    name, special = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**{**_GENERAL, **special, **overrides})
    torch.manual_seed(seed)
    model = getattr(transformers, _MODEL_NAMES.get(name, f"{name}ForCausalLM"))(config).eval()
    with torch.no_grad():  # the usual tiny initial weights would leave every block without effect
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "conv" not in name:
                weight.normal_(std=0.3)
    return model


@cache
def shared(family: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """One model of this family for all tests that do not change it."""
    return make(family).to(dtype)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, with a leading `<s>`; `</s>` ends and `<pad>` pads."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<s>", "</s>", "<pad>"]
    vocabulary = {symbol: index for index, symbol in enumerate([*alphabet, *specials])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", BOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def token(letter: str) -> int:
    """The token of an ASCII character."""
    return tokenizer()(letter)["input_ids"][1]
