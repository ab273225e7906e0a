"""The end of a process in which the plug-in cannot be used."""

from __future__ import annotations

import sys
from typing import NoReturn


def end(error: Exception) -> NoReturn:
    """End the process and say why: vLLM would log it and serve unsteered answers."""
    said = f"langsteer: the plug-in cannot be used: {error}"
    print(said, file=sys.stderr, flush=True)
    raise SystemExit(said) from error
