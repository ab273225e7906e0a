"""Where an answer is still thinking: the prompt's template opened it, or the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.hooks import Forward
from langsteer.text.answer import has_thinking_tag, thinking_depth

_ENDS = (">", "]", "▷", "\ufffd")
"""With one of these, or a part of a character, every tag ends: other tokens complete none."""
_LONGEST = 48
"""Tokens of the longest tag."""
_CACHE = 65536


@dataclass(frozen=True)
class _Place:
    """After a token: how many thoughts are open, and the tokens since the last tag."""

    depth: int
    since: tuple[int, ...] = ()


class Thinking:
    """Follows, row by row, whether thinking is open at each position of a batch.

    Thinking is open from the last token of its opening tag up to the token before the last of its
    closing tag; that one decides the first token of the answer. Where a prompt ends in thinking,
    all of it belongs to the thinking. Positions may be run again, as after rejected candidates.

    Args:
        tokenizer: how tokens are written; tags may take several.
        prompts: one for each row.
        columns: the length of the padded prompts.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Rendered], columns: int
    ) -> None:
        self._tokenizer, self._columns = tokenizer, columns
        self._piece = lru_cache(maxsize=_CACHE)(lambda token: self._decode((token,)))
        self._rows = [[_Place(thinking_at_end(tokenizer, prompt))] for prompt in prompts]
        self._always = [prompt.steer_thinking for prompt in prompts]

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Rendered], columns: int
    ) -> Thinking | None:
        """What follows the thinking of these rows; None if there can be none to leave alone."""
        if all(prompt.steer_thinking for prompt in prompts) or not _thinks(tokenizer):
            return None
        return cls(tokenizer, prompts, columns)

    def always(self, row: int) -> bool:
        """Whether a row is steered while it thinks, too."""
        return self._always[row]

    def alone(self, row: int) -> Thinking:
        """One of the rows, which goes on by itself."""
        one = copy(self)
        one._rows, one._always = [list(self._rows[row])], [self._always[row]]
        return one

    def open(self, forward: Forward) -> Tensor | None:
        """Where thinking is open [rows, length] (bool, CPU) in a forward; None if nowhere.

        What is not given as tokens counts as an answer.
        """
        if self not in forward.memo:
            forward.memo[self] = self._open(forward)
        return cast("Tensor | None", forward.memo[self])

    def _open(self, forward: Forward) -> Tensor | None:
        if forward.rows != len(self._rows):
            return None
        before = min(max(self._columns - forward.start, 0), forward.length)
        ids: list[list[int]] = [[]] * forward.rows
        if forward.ids is not None and before < forward.length:
            ids = forward.ids[:, before:].tolist()
        start = max(forward.start - self._columns, 0)
        found = [
            [places[0].depth > 0] * before + self._follow(places, start, row)
            for places, row in zip(self._rows, ids, strict=True)
        ]
        for row, always in enumerate(self._always):
            if always:
                found[row] = [False] * len(found[row])
        if not any(map(any, found)):
            return None
        mask = torch.zeros(forward.rows, forward.length, dtype=torch.bool)
        for row, opened in enumerate(found):
            mask[row, : len(opened)] = torch.tensor(opened)
        return mask

    def _follow(self, places: list[_Place], start: int, ids: list[int]) -> list[bool]:
        """Read the tokens from number `start` of the answer on: is thinking open at each?"""
        del places[start + 1 :]
        for token in ids:
            places.append(self._next(places[-1], token))
        return [place.depth > 0 for place in places[len(places) - len(ids) :]]

    def _next(self, place: _Place, token: int) -> _Place:
        since = (*place.since, token)[-_LONGEST:]
        piece = self._piece(token)
        if not any(end in piece for end in _ENDS):
            return _Place(place.depth, since)
        depth = thinking_depth(self._decode(since), place.depth)
        if depth is None:
            return _Place(place.depth, since)
        # A token that ends a tag may begin the next one, unless it is a whole tag itself.
        return _Place(depth, () if thinking_depth(piece) is not None else (token,))

    def _decode(self, ids: Sequence[int]) -> str:
        return cast(str, self._tokenizer.decode(list(ids), skip_special_tokens=False))


def thinking_at_end(tokenizer: PreTrainedTokenizerBase, prompt: Rendered) -> int:
    """How many thoughts are open where a prompt ends.

    What the user wrote about tags is no thinking: after a chat template's user only the rest
    counts, of plain text all.
    """
    after = prompt.own[-1] + 1 if prompt.own else 0
    rest = prompt.ids if len(prompt.own) == len(prompt.ids) else prompt.ids[after:]
    text = cast(str, tokenizer.decode(list(rest), skip_special_tokens=False))
    return thinking_depth(text) or 0


def _thinks(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template or the added tokens know thinking."""
    template = getattr(tokenizer, "chat_template", None) or ""
    added = " ".join(tokenizer.get_added_vocab())
    return has_thinking_tag(str(template)) or has_thinking_tag(added)
