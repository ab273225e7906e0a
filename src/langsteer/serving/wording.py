"""Text from tokens as they come, without what may still change or be a stop string."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from langsteer.engines.transformers.stopping import before

_OPEN = "\N{REPLACEMENT CHARACTER}"
"""What the first bytes of a character look like until the rest is there."""


class Wording:
    """The text of one answer.

    Tokens are decoded with a few before them, as some only show what they are then. What may be the
    beginning of a stop string is held back, and a stop string is never shown.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops = tokenizer, tuple(stops)
        self._tokens: list[int] = []
        self._begin = self._read = 0
        self._held = ""
        self.stopped = False

    def add(self, tokens: Sequence[int]) -> str:
        """What can be shown of the text now that these tokens have come."""
        self._tokens.extend(tokens)
        before = self._decode(self._tokens[self._begin : self._read])
        now = self._decode(self._tokens[self._begin :])
        if now.endswith(_OPEN) or len(now) <= len(before):
            return ""
        self._begin, self._read = self._read, len(self._tokens)
        return self._show(now[len(before) :])

    def end(self) -> str:
        """The rest of the text: no more tokens come."""
        before = self._decode(self._tokens[self._begin : self._read])
        rest = self._decode(self._tokens[self._begin :])[len(before) :]
        self._read = len(self._tokens)
        shown = self._show(rest)
        if not self.stopped:
            shown, self._held = shown + self._held, ""
        return shown

    def _show(self, more: str) -> str:
        if self.stopped:
            return ""
        whole = self._held + more
        shown = before(whole, self._stops)
        if len(shown) < len(whole):
            self.stopped, self._held = True, ""
            return shown
        keep = max((_begun(whole, stop) for stop in self._stops), default=0)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))


def _begun(text: str, stop: str) -> int:
    """How many letters at the end of a text may be the beginning of a stop string."""
    for size in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
