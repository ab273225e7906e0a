"""Strings that end a text, whatever the tokens that write them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, StoppingCriteria

_MARGIN = 4
"""Tokens beside those that a string can take, for tokens that show nothing by themselves."""


class StopStrings(StoppingCriteria):
    """A row is done when the text after its prompt holds one of its own strings.

    Args:
        tokenizer: writes the text.
        stops: for each row the strings that end it.
        columns: the width of the prompts.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[Sequence[str]], columns: int
    ) -> None:
        self._tokenizer, self._stops, self._columns = tokenizer, stops, columns
        self._done = [False] * len(stops)

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        """Which rows are done [rows]."""
        for row, stops in enumerate(self._stops):
            if stops and not self._done[row]:
                new = input_ids[row, max(self._columns, input_ids.shape[1] - reach(stops)) :]
                self._done[row] = stopped(self._tokenizer, new.tolist(), stops)
        return torch.tensor(self._done, device=input_ids.device)


def reach(stops: Sequence[str]) -> int:
    """How many of the last tokens can be part of a string: a token is at least a byte."""
    return max(len(stop.encode()) for stop in stops) + _MARGIN


def stopped(
    tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], stops: Sequence[str]
) -> bool:
    """Whether one of the strings has just been written: it is in the last of these new tokens."""
    if not stops:
        return False
    text = tokenizer.decode(list(tokens[-reach(stops) :]), skip_special_tokens=True)
    return any(stop in text for stop in stops)


def before(text: str, stops: Sequence[str]) -> str:
    """The text before the string that begins first; all of it where there is none."""
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


def up_to(text: str, stops: Sequence[str]) -> str:
    """The text up to the end of the string that ends first; all of it where there is none."""
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text
