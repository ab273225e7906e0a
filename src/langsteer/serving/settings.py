"""What a server allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """How much a request may ask for, and how many may wait.

    `tokens` is the most new tokens of one answer, `body` the most bytes of a request, `queue` how
    many requests wait before others are turned away, `rows` how many are answered at a time,
    `tokens_per_batch` bounds rows × columns, and `seconds` is how long a body may take to arrive.
    """

    tokens: int = 2048
    body: int = 2**20
    queue: int = 256
    rows: int = 32
    tokens_per_batch: int = 16384
    seconds: float = 20.0


@dataclass(frozen=True)
class Settings:
    """How a server is run.

    `api_keys` are asked of every request to the API if there are any, `admin_key` of those that
    load and unload spaces; without one that is not possible. `spaces` is the folder from which
    spaces are loaded by name. With `keep_language` an answer stays in the language of the user's
    last message where a request names none. Prompts and answers are logged only with `log_prompts`.
    """

    api_keys: tuple[str, ...] = ()
    admin_key: str | None = None
    spaces: Path | None = None
    keep_language: bool = False
    log_prompts: bool = False
    limits: Limits = field(default_factory=Limits)
