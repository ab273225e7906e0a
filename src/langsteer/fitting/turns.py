"""Texts as turns of a conversation in the model's own template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from transformers import PreTrainedTokenizerBase

from langsteer.engines.transformers.chat import ChatOptions, render
from langsteer.errors import CorpusError, SteeringError

Turn = Literal["assistant", "user"]
TURNS: tuple[Turn, ...] = get_args(Turn)
OPENING = "…"
"""What the user says before the assistant's turn: templates want something, in no language."""
STAND_INS = ("7", "Xq.")
"""Contents that differ from any text at its first and last token, at least one of them."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A text in its template: all tokens, and the half-open span of those that are the text's."""

    ids: list[int]
    begin: int
    end: int

    def cut(self, limit: int) -> Placed:
        """At most `limit` tokens, without the end of the text: the template stays whole."""
        beyond = min(len(self.ids) - limit, self.end - self.begin - 1)
        if beyond <= 0:
            return self
        end = self.end - beyond
        return Placed(self.ids[:end] + self.ids[self.end :], self.begin, end)


@dataclass(slots=True)
class Template:
    """Puts texts into turns of one speaker.

    `assistant`: the text is the answer to an opening that says nothing, and is not closed.
    `user`: the text is what the user says, and the assistant's turn is opened after it.
    """

    tokenizer: PreTrainedTokenizerBase
    turn: Turn
    options: ChatOptions
    _others: list[Sequence[int]] = field(default_factory=list)

    def place(self, text: str) -> Placed:
        """The tokens of a text in its turn.

        The text's own are those that change when another text stands in its place: that holds for
        every template and needs no offsets.

        Raises:
            CorpusError: the template refuses the conversation, or leaves the text out.
        """
        if not self._others:
            self._others = [self._ids(other) for other in STAND_INS]
        ids = self._ids(text)
        begin = min(_alike(ids, other) for other in self._others)
        after = min(_alike(ids[::-1], other[::-1]) for other in self._others)
        if begin >= len(ids) - after:
            raise CorpusError(f"the chat template leaves out the text {text[:60]!r}")
        return Placed(list(ids), begin, len(ids) - after)

    def _ids(self, text: str) -> Sequence[int]:
        said = [{"role": "user", "content": text}]
        if self.turn == "assistant":
            said = [{"role": "user", "content": OPENING}, {"role": "assistant", "content": text}]
        try:
            return render(self.tokenizer, said, self.options).ids
        except SteeringError as error:
            raise CorpusError(f"the text {text[:60]!r} cannot be a turn: {error}") from error


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens are the same from the start."""
    size = min(len(one), len(other))
    return next((i for i in range(size) if one[i] != other[i]), size)
