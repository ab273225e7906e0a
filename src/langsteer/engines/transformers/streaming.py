"""Hand out new text while it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from transformers import PreTrainedTokenizerBase
from transformers.generation.streamers import BaseStreamer

from langsteer.engines.transformers.stopping import up_to


class TextStream(BaseStreamer):
    """Calls `on_text` with each new piece of one text as soon as its characters are whole."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        on_text: Callable[[str], None],
        stops: Sequence[str] = (),
    ) -> None:
        self._tokenizer, self._on_text, self._stops = tokenizer, on_text, stops
        self._tokens: list[int] = []
        self._shown = 0
        self._prompt = True

    def put(self, value: Tensor) -> None:
        """Take tokens; the first are those of the prompt, which is not shown."""
        if self._prompt:
            self._prompt = False
            return
        self._tokens.extend(value.flatten().tolist())
        text = self._text()
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # the rest of a character is to come
            self._show(text)

    def end(self) -> None:
        """Show what is left."""
        self._show(self._text())

    def _text(self) -> str:
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        return up_to(str(text), self._stops)

    def _show(self, text: str) -> None:
        if len(text) > self._shown:
            self._on_text(text[self._shown :])
            self._shown = len(text)
