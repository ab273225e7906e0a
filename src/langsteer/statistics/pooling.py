"""How the tokens of a text are weighed."""

from __future__ import annotations

from typing import Literal, get_args

Pooling = Literal["tokens", "text", "last", "matched"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
OF_TOKENS: tuple[Pooling, ...] = ("tokens", "matched")
"""Those in which tokens count, and not texts."""
MASSIVE = 10.0
"""How many times the usual norm makes a token massive: it is of no language, and left out."""
