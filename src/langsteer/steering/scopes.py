"""Scopes: which positions of a sequence are edited."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from langsteer.errors import ScopeError
from langsteer.forward import Prompt

_FOREVER = 2**62
_NEVER = -(2**62)


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

    def columns(self, first: int, last: int) -> tuple[int, int]:
        """The half-open interval of columns, for a prompt from column `first` to `last`."""
        origin = first if self.origin == "start" else last + 1
        begin = _NEVER if self.begin is None else origin + self.begin
        end = _FOREVER if self.end is None else origin + self.end
        return begin, end


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

    def spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """The half-open column intervals, for a prompt from column `first` to `last`."""
        return [window.columns(first, last) for window in self.windows]

    def in_generated(self, prompt: Prompt, row: int) -> list[tuple[int, int]]:
        """The half-open column intervals after the prompt: columns from `prompt.columns` on."""
        first, last = ends(prompt.real[row])
        width = prompt.columns
        spans = self.spans(width - 1 - last + first, width - 1)
        return [(max(begin, width), end) for begin, end in spans if end > width]

    def in_prompt(self, prompt: Prompt, row: int, bos: frozenset[int]) -> Tensor:
        """Which columns [columns] of the prompt in this row are edited (bool, CPU).

        Raises:
            ScopeError: the scope needs token ids and there are none, or it selects nothing at all.
        """
        real = prompt.real[row]
        first, last = ends(real)
        column = torch.arange(prompt.columns)
        chosen = torch.zeros_like(real)
        spans = self.spans(first, last)
        for begin, end in spans:
            chosen |= (column >= max(begin, 0)) & (column < min(end, prompt.columns))
        chosen &= real
        if prompt.ids is not None:
            chosen &= self.allows(prompt.ids[row])
            if self.spare_bos and int(prompt.ids[row, first]) in bos:
                chosen[first] = False
        elif self.by_token:
            raise ScopeError("a scope by token needs input_ids, but the prompt is given as vectors")
        if not bool(chosen.any()) and all(end <= prompt.columns for _, end in spans):
            raise ScopeError(
                f"the scope {self} selects nothing in prompt {row}, "
                f"which has {int(real.sum())} tokens"
            )
        return chosen

    def allows(self, ids: Tensor) -> Tensor:
        """Where the token itself [...] does not forbid an edit (bool)."""
        allowed = torch.ones_like(ids, dtype=torch.bool)
        if self.tokens is not None:
            allowed &= torch.isin(ids, _tensor(self.tokens, ids))
        if self.excluded:
            allowed &= ~torch.isin(ids, _tensor(self.excluded, ids))
        return allowed


def ends(real: Tensor) -> tuple[int, int]:
    """The first and the last column that hold a token.

    Raises:
        ScopeError: none does.
    """
    columns = real.nonzero()
    if not len(columns):
        raise ScopeError("a prompt is empty: all of it is padding; give it at least one token")
    return int(columns[0]), int(columns[-1])


def _tensor(tokens: frozenset[int], like: Tensor) -> Tensor:
    return torch.tensor(sorted(tokens), dtype=like.dtype, device=like.device)


def _bound(text: str) -> int | None:
    return int(text) if text else None
