"""What is done to get the target language: for a pair, an edit and a change of the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langsteer.edits.edit import Edit


@dataclass(frozen=True)
class Change:
    """An edit, if any, what is put before the prompt, and a system message for a chat model."""

    edit: Edit | None = None
    before: str = ""
    system: str | None = None

    def prompt(self, text: str) -> str:
        """The prompt as it is asked."""
        return self.before + text


Steered = Callable[[str, str], Change | None]
"""From a source and a target to what is changed; None: nothing is."""


def reference(_source: str, _target: str) -> None:
    """Stands for what follows by the text itself, in place of an answer."""
