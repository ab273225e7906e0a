"""Which texts a space was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """The texts that a space was fitted on; `texts` and `tokens` are per language.

    `chat` is the turn of the model's chat template that each text was put into, 'assistant' or
    'user'; None where texts were read as they are.
    """

    name: str
    digest: str
    texts: Mapping[str, int]
    tokens: Mapping[str, int]
    chat: str | None = None
