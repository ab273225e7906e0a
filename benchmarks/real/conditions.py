"""What is done to get the target language: for a pair, an edit and a change of the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langsteer.edits.edit import Edit


@dataclass(frozen=True)
class Change:
    """An edit, if any, and what is put before the prompt."""

    edit: Edit | None = None
    before: str = ""

    def prompt(self, text: str) -> str:
        """The prompt as it is asked."""
        return self.before + text


Steered = Callable[[str, str], Change | None]
"""From a source and a target to what is changed; None: nothing is."""
