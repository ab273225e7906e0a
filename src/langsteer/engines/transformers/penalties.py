"""What a checkpoint's own settings make of the scores of the next token, row by row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

_UNKNOWN = {
    "encoder_repetition_penalty": (None, 1, 1.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "exponential_decay_length_penalty": (None,),
    "remove_invalid_values": (None, False),
}
"""Settings that are left to transformers' own loop, with the values that do nothing."""


class Penalties:
    """The penalties of one checkpoint, each row by its own tokens alone.

    Args:
        model: whose `generation_config` says what they are.
        ends: its end tokens.
    """

    def __init__(self, model: PreTrainedModel, ends: list[int]) -> None:
        own: Any = model.generation_config
        device = str(model.device)
        self._always: list[LogitsProcessor] = []
        self._begin = own.begin_suppress_tokens
        self._device = device
        if own.sequence_bias is not None:
            self._always.append(SequenceBiasLogitsProcessor(own.sequence_bias))
        if own.repetition_penalty not in (None, 1, 1.0):
            self._always.append(RepetitionPenaltyLogitsProcessor(own.repetition_penalty))
        if own.no_repeat_ngram_size not in (None, 0):
            self._always.append(NoRepeatNGramLogitsProcessor(own.no_repeat_ngram_size))
        if own.bad_words_ids is not None:
            self._always.append(NoBadWordsLogitsProcessor(own.bad_words_ids, ends or None))
        if own.suppress_tokens is not None:
            self._always.append(SuppressTokensLogitsProcessor(own.suppress_tokens, device=device))

    @staticmethod
    def known(model: PreTrainedModel) -> bool:
        """Whether all settings of this checkpoint are among those that are worked out here."""
        own = model.generation_config
        return all(getattr(own, name, None) in idle for name, idle in _UNKNOWN.items())

    @property
    def idle(self) -> bool:
        """Whether they never change anything."""
        return not self._always and self._begin is None

    def __call__(self, tokens: list[int], prompt: int, scores: Tensor) -> Tensor:
        """The scores [1, tokens] after the tokens of one row, of which `prompt` are the prompt."""
        ids = torch.tensor([tokens], device=scores.device)
        for penalty in self._always:
            scores = penalty(ids, scores)
        if self._begin is not None:
            begin = SuppressTokensAtBeginLogitsProcessor(self._begin, prompt, device=self._device)
            scores = begin(ids, scores)
        return scores
