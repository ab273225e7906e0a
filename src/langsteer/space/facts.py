"""Which texts a space was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PART = ":"
"""Between the digest of a corpus and the parts of it."""


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """The texts that a space was fitted on; `texts` and `tokens` are per language.

    `digest` is that of the corpus; of a part of it followed by which part: `…:1/4`.
    `chat` is the turn of the model's chat template that each text was put into, 'assistant' or
    'user'; None where texts were read as they are.
    """

    name: str
    digest: str
    texts: Mapping[str, int]
    tokens: Mapping[str, int]
    chat: str | None = None
