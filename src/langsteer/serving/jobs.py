"""One answer that is being written, between the thread that writes and the request that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langsteer.engines.transformers.decoding import Continuation
from langsteer.serving.wording import Wording

if TYPE_CHECKING:
    from langsteer.edits.edit import Edit

Likely = tuple[int, float, list[tuple[int, float]]]
"""A token with its log-probability, and the likeliest ones with theirs."""


@dataclass(frozen=True)
class Piece:
    """What has come since the last piece: text, and tokens with their probabilities.

    The last piece says why the answer ended, or what went wrong.
    """

    text: str = ""
    likely: tuple[Likely, ...] = ()
    finish: str | None = None
    error: Exception | None = None


@dataclass(eq=False)
class Job:
    """A prompt with what decides its edit, which may have to read the prompt first.

    `resolve` is called in the thread of the model, when the job is admitted.
    """

    row: Continuation
    wording: Wording
    resolve: Callable[[], Edit | None] | None = None
    cancelled: bool = False
    _given: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _pieces: asyncio.Queue[Piece] = field(default_factory=asyncio.Queue)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self.cancelled = True

    async def next(self) -> Piece:
        """The next piece, as soon as it is there."""
        return await self._pieces.get()

    def push(self) -> None:
        """Hand out what has been written since; called by the thread of the model."""
        row = self.row
        new, likely = row.new[self._given :], row.likely[self._given :]
        self._given = len(row.new)
        shown = new[:-1] if row.end == "end" else new
        text = self.wording.add(shown)
        ended = row.end is not None or self.wording.stopped
        if ended:
            text += self.wording.end()
        pairs = zip(shown, likely, strict=False)
        told = tuple((token, score, top) for token, (score, top) in pairs)
        finish = None if not ended else ("length" if row.end == "length" else "stop")
        if self.wording.stopped:
            finish = "stop"
        if text or told or ended:
            self._send(Piece(text, told, finish))

    def fail(self, error: Exception) -> None:
        """Nothing will come of it."""
        self._send(Piece(error=error))

    def _send(self, piece: Piece) -> None:
        try:
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)
        except RuntimeError:  # the loop has ended: nobody waits
            self.cancelled = True
