"""Scopes: which positions of a sequence are edited."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from langsteer.engines.transformers.hooks import Prompt
from langsteer.errors import ScopeError

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

    def holds(self, position: Tensor) -> Tensor:
        """Where a position, counted from the window's origin, lies in it (bool)."""
        inside = torch.ones_like(position, dtype=torch.bool)
        if self.begin is not None:
            inside &= position >= self.begin
        if self.end is not None:
            inside &= position < self.end
        return inside

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

    def in_generated(self, columns: int, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """The half-open column intervals after a prompt from `first` to `last`: from `columns` on.

        Where padding follows the prompt, the answer begins after it.
        """
        spans = self.spans(columns - 1 - last + first, columns - 1)
        return tuple((max(begin, columns), end) for begin, end in spans if end > columns)

    def in_prompt(self, prompt: Prompt, rows: Sequence[int], bos: frozenset[int]) -> Tensor:
        """Which columns of the prompts in these rows are edited [rows, columns] (bool, CPU).

        Raises:
            ScopeError: the scope needs token ids and there are none, or it selects nothing at all.
        """
        if self.by_token and prompt.ids is None:
            raise ScopeError("a scope by token needs input_ids, but the prompt is given as vectors")
        real = prompt.real[rows]
        bounds = ends(real)
        first, last = torch.tensor(bounds).T[..., None]
        chosen = torch.zeros_like(real)
        for window in self.windows:
            origin = first if window.origin == "start" else last + 1
            chosen |= window.holds(torch.arange(prompt.columns) - origin)
        chosen &= real
        if prompt.ids is not None:
            ids = prompt.ids[rows]
            chosen &= self.allows(ids)
            if self.spare_bos:
                for row, (begin, _) in enumerate(bounds):
                    if int(ids[row, begin]) in bos:
                        chosen[row, begin] = False
        for row in (~chosen.any(1)).nonzero()[:, 0].tolist():
            if all(end <= prompt.columns for _, end in self.spans(*bounds[row])):
                raise ScopeError(
                    f"the scope {self} selects nothing in prompt {rows[row]}, "
                    f"which has {int(real[row].sum())} tokens"
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


def ends(real: Tensor) -> list[tuple[int, int]]:
    """The first and the last column that hold a token, for each row of `real` [rows, columns].

    Raises:
        ScopeError: none does.
    """
    if not bool(real.any(1).all()):
        raise ScopeError("a prompt is empty: all of it is padding; give it at least one token")
    first = real.byte().argmax(1)
    last = real.shape[1] - 1 - real.flip(1).byte().argmax(1)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _tensor(tokens: frozenset[int], like: Tensor) -> Tensor:
    return torch.tensor(sorted(tokens), dtype=like.dtype, device=like.device)


def _bound(text: str) -> int | None:
    return int(text) if text else None
