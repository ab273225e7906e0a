"""Scopes: which tokens are edited.

A scope asks of a token only where it stands in its sequence, how long the prompt of the sequence is
and which token it is. How an engine lays tokens out, in a padded batch or one after another, is its
own affair.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from langsteer.errors import ScopeError

FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Window:
    """The positions `begin <= i < end`, counted from the prompt's first token or from its end.

    From the end, position 0 is the first generated token and -1 the last token of the prompt.
    `None` leaves that side open.
    """

    origin: Literal["start", "end"]
    begin: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        if self.origin not in ("start", "end"):
            raise ScopeError(f"a window counts from 'start' or 'end', not from {self.origin!r}")
        for bound in (self.begin, self.end):
            if self.origin == "start" and bound is not None and bound < 0:
                raise ScopeError(
                    f"the window {self} counts from the start but has the bound {bound}; "
                    "count from the end instead: end[...]"
                )
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise ScopeError(f"the window {self} selects nothing; its begin must be below its end")

    def __str__(self) -> str:
        begin = "" if self.begin is None else self.begin
        end = "" if self.end is None else self.end
        return f"{self.origin}[{begin}:{end}]"

    def holds(self, position: Tensor) -> Tensor:
        """Where a position, counted from the window's origin, lies in it (bool)."""
        inside = torch.ones_like(position, dtype=torch.bool)
        if self.begin is not None:
            inside &= position >= self.begin
        if self.end is not None:
            inside &= position < self.end
        return inside

    def span(self, prompt_length: int) -> tuple[int, int]:
        """The half-open interval of positions, for a prompt of this many tokens."""
        origin = 0 if self.origin == "start" else prompt_length
        begin = 0 if self.begin is None else max(origin + self.begin, 0)
        return begin, FOREVER if self.end is None else origin + self.end


_NAMED: dict[str, tuple[Window, bool]] = {  # name -> window, whether a leading BOS is spared
    "all": (Window("start"), True),
    "prompt": (Window("end", None, 0), True),
    "prompt_last": (Window("end", -1, 0), False),
    "generated": (Window("end", -1, None), False),
}
_WINDOW = re.compile(r"(start|end)\[(-?\d*):(-?\d*)\]")


@dataclass(frozen=True)
class Scope:
    """The positions that an edit touches. Padding is never among them.

    A position is edited if a window holds it and, where `tokens` is given, its token is one of
    them; unless its token is in `excluded`, or it is a leading beginning-of-sequence token and
    `spare_bos` holds. `generated` begins at the last position of the prompt, because that
    position decides the first generated token.
    """

    windows: tuple[Window, ...] = (Window("start"),)
    tokens: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()
    spare_bos: bool = True

    def __post_init__(self) -> None:
        if not self.windows:
            raise ScopeError("a scope without windows selects nothing; give at least one")
        if self.tokens is not None and not self.tokens - self.excluded:
            raise ScopeError(
                "the scope selects nothing: it names no token that it does not also exclude"
            )

    @classmethod
    def parse(cls, text: str) -> Scope:
        """A scope by name, or windows joined by `+`, such as `start[0:4]+end[-1:]`.

        Raises:
            ScopeError: the text is neither.
        """
        if text in _NAMED:
            window, spare = _NAMED[text]
            return cls((window,), spare_bos=spare)
        matches = [_WINDOW.fullmatch(part.strip()) for part in text.split("+")]
        if not all(matches):
            raise ScopeError(
                f"{text!r} is not a scope; choose {', '.join(_NAMED)}, "
                "or windows such as start[0:4] or end[-1:]"
            )
        bounds = [match.groups() for match in matches if match]
        return cls(
            tuple(
                Window("start" if origin == "start" else "end", _bound(low), _bound(high))
                for origin, low, high in bounds
            ),
            spare_bos=False,
        )

    def __str__(self) -> str:
        for name, (window, spare) in _NAMED.items():
            if self.windows == (window,) and self.spare_bos == spare:
                return name
        return "+".join(str(window) for window in self.windows)

    @property
    def by_token(self) -> bool:
        """Whether the scope looks at token ids."""
        return self.tokens is not None or bool(self.excluded)

    @property
    def everywhere(self) -> bool:
        """Whether every token is edited, one that leads as beginning of sequence set aside."""
        whole = any(
            not window.begin and window.end is None
            for window in self.windows
            if window.origin == "start" or window.begin is None
        )
        return whole and not self.by_token

    def spans(self, prompt_length: int) -> list[tuple[int, int]]:
        """The half-open intervals of positions, for a prompt of this many tokens."""
        return [window.span(prompt_length) for window in self.windows]

    def selects(
        self,
        position: Tensor,
        prompt_length: Tensor,
        token_id: Tensor | None,
        bos: Set[int] = frozenset(),
    ) -> Tensor:
        """Which tokens are edited, each by itself (bool).

        Args:
            position: the number of each token in its sequence, from 0 on; below 0 is padding.
            prompt_length: the number of tokens in the prompt of its sequence.
            token_id: which token it is; None where that is not known. The three broadcast.
            bos: the beginning-of-sequence tokens of the model.

        Raises:
            ScopeError: the scope needs token ids and there are none.
        """
        if self.by_token and token_id is None:
            raise ScopeError("a scope by token needs input_ids, but vectors were passed")
        after = position - prompt_length
        chosen = torch.zeros_like(after, dtype=torch.bool)
        for window in self.windows:
            chosen |= window.holds(position if window.origin == "start" else after)
        chosen = chosen & (position >= 0)
        if token_id is None:
            return chosen
        if self.by_token:
            chosen = chosen & self.allows(token_id)
        if self.spare_bos and bos:
            chosen = chosen & ~((position == 0) & torch.isin(token_id, _tensor(bos, token_id)))
        return chosen

    def allows(self, ids: Tensor) -> Tensor:
        """Where the token itself [...] does not forbid an edit (bool)."""
        allowed = torch.ones_like(ids, dtype=torch.bool)
        if self.tokens is not None:
            allowed &= torch.isin(ids, _tensor(self.tokens, ids))
        if self.excluded:
            allowed &= ~torch.isin(ids, _tensor(self.excluded, ids))
        return allowed


def _tensor(tokens: Set[int], like: Tensor) -> Tensor:
    return torch.tensor(sorted(tokens), dtype=like.dtype, device=like.device)


def _bound(text: str) -> int | None:
    return int(text) if text else None
