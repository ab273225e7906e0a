"""What all prompts of a batch begin with, such as a system message, is read once.

Only tokens are shared that no edit touches and no guard reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from langsteer.edits.edit import Edit

if TYPE_CHECKING:
    from langsteer.engines.transformers.decoding import Continuation

LEAST = 16
"""With fewer tokens in common there is little to gain."""


def shared_tokens(rows: Sequence[Continuation], bos: frozenset[int]) -> list[int] | None:
    """How many of the first tokens of each prompt are read together; None if that is not worth it.

    The rest of every row is as long, or all of it where that is less: so rows end together and
    stand without gaps.
    """
    common = _common([row.prompt.ids for row in rows])
    if len(rows) < 2 or common < LEAST:
        return None
    rest = max(len(row.prompt.ids) - min(common, _untouched(row, common, bos)) for row in rows)
    counts = [max(len(row.prompt.ids) - rest, 0) for row in rows]
    return counts if max(counts) >= LEAST and sum(counts) > max(counts) else None


def _common(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all prompts begin with; the last token of a prompt is never among them."""
    first, last = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    return next((at for at in range(most) if first[at] != last[at]), most)


def _untouched(row: Continuation, common: int, bos: frozenset[int]) -> int:
    """How many of the first tokens of a prompt are neither edited nor read by a guard."""
    edit = row.edit
    if edit is None or edit.idle:
        return common
    ids = torch.tensor(row.prompt.ids[:common])
    length = torch.tensor(len(row.prompt.ids))
    edited = edit.scope.selects(torch.arange(common), length, ids, bos)
    free = int(edited.int().argmax()) if bool(edited.any()) else common
    return min(free, _unread(row, edit, common))


def _unread(row: Continuation, edit: Edit, common: int) -> int:
    """How many of the first tokens lie before those that a guard reads."""
    if edit.guard is None:
        return common
    own = row.prompt.own or range(len(row.prompt.ids))
    # One more, as a leading special token may be among them and does not count.
    return own[max(len(own) - edit.guard.reach - 1, 0)]
