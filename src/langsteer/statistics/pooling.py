"""How the tokens of a text are weighed."""

from __future__ import annotations

from typing import Literal, get_args

Pooling = Literal["tokens", "text", "last", "matched"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
OF_TOKENS: tuple[Pooling, ...] = ("tokens", "matched")
"""Those in which tokens count, and not texts."""
