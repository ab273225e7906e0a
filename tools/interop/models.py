"""Random models of the families, edits at their layers, and what the steered model says.

A prompt is a list of tokens, the same for every engine. What is compared are the log-probabilities
of all tokens at each step of greedy decoding, given the tokens before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers import models as token_models
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model

PROMPT = (11, 7, 5, 3, 2, 13, 17, 19)
STEPS = 6
SIZE = 320
_GENERAL = {
    "vocab_size": SIZE,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "intermediate_size": 192,
    "max_position_embeddings": 256,
    "bos_token_id": SIZE - 2,
    "eos_token_id": SIZE - 1,
    "tie_word_embeddings": False,
}
FAMILIES: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("Llama", {}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {}),
    "gemma3": (
        "Gemma3Text",
        {"query_pre_attn_scalar": 32, "sliding_window": 32, "tie_word_embeddings": True},
    ),
}
_CLASSES = {"Gemma3Text": "Gemma3ForCausalLM"}


def random_model(family: str, folder: Path) -> Path:
    """The folder of a random model of this family, with a tokenizer of numbers."""
    name, special = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**{**_GENERAL, **special})
    torch.manual_seed(0)
    model = getattr(transformers, _CLASSES.get(name, f"{name}ForCausalLM"))(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.normal_(std=0.1)
    model.save_pretrained(folder)
    words = {f"t{number}": number for number in range(SIZE)}
    raw = Tokenizer(token_models.WordLevel(words, unk_token="t0"))
    raw.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=f"t{SIZE - 2}", eos_token=f"t{SIZE - 1}", pad_token="t0"
    )
    tokenizer.save_pretrained(folder)
    return folder


def edit_at(layers: tuple[int, ...], width: int, size: float = 1.0, seed: int = 0) -> Edit:
    """A random shift of this norm at each of the layers, at every token."""
    generator = torch.Generator().manual_seed(seed)
    maps = {}
    for layer in layers:
        vector = torch.randn(width, generator=generator)
        maps[layer] = Shift(size * vector / vector.norm())
    return Edit(maps, scope=Scope(spare_bos=False))


@dataclass(frozen=True)
class Said:
    """Greedy tokens after the prompt, and the log-probabilities at each of them [steps, tokens]."""

    tokens: list[int]
    scores: Tensor

    def difference(self, other: dict[int, float], step: int) -> float:
        """The largest difference of log-probabilities from those of another engine."""
        mine = self.scores[step]
        return max(abs(float(mine[token]) - score) for token, score in other.items())


def steered(
    folder: Path,
    edit: Edit | None,
    prompt: tuple[int, ...] = PROMPT,
    *,
    prompt_known: bool = False,
) -> Said:
    """What the steered model says, by transformers and hooks, in float32.

    Unless the prompt is known as one, all tokens count as such, also those written since.
    """
    known = {"input_ids": torch.tensor([prompt])} if prompt_known else None
    hf = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids, scores = list(prompt), []
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    with Model(hf, tokenizer) as model, model.steered(edit, prompt=known), torch.no_grad():
        for _ in range(STEPS):
            logits = hf(input_ids=torch.tensor([ids])).logits[0, -1]
            scores.append(logits.log_softmax(-1))
            ids.append(int(logits.argmax()))
    return Said(ids[len(prompt) :], torch.stack(scores))
