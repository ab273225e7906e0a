"""One answer that is being written, between the thread that writes and the request that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.decoding import Continuation
from langsteer.serving.keeping import Keeper
from langsteer.serving.wording import Wording

if TYPE_CHECKING:
    from langsteer.space.space import Space

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


@dataclass(frozen=True, eq=False)
class PromptReading:
    """A prompt whose language is read where the request does not name it, and with what."""

    prompt: Rendered
    space: Space
    layer: int


Resolve = Callable[[str | None], Edit | None]
"""The edit of a request, from the language of its prompt, which is None where that is not read."""


@dataclass(eq=False)
class Job:
    """A prompt with what decides its edit.

    `begin` makes the row and `word` its text, again where an answer is begun anew. `resolve` is
    called in the thread of the model when the job is admitted, with the language that `origin`
    reads, if there is one. Pieces are handed out in `loop`.
    """

    begin: Callable[[], Continuation]
    word: Callable[[], Wording]
    loop: asyncio.AbstractEventLoop
    resolve: Resolve | None = None
    origin: PromptReading | None = None
    keeper: Keeper | None = None
    cancelled: bool = False
    _handed: int = 0
    _kept: int = 0
    _said: str = ""
    _held: list[Piece] = field(default_factory=list)
    _pieces: asyncio.Queue[Piece] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.row, self.wording = self.begin(), self.word()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self.cancelled = True

    async def next(self) -> Piece:
        """The next piece, as soon as it is there."""
        return await self._pieces.get()

    @property
    def over(self) -> bool:
        """Whether the answer has ended."""
        return self.row.end is not None or self.wording.stopped

    def push(self) -> Edit | None:
        """Hand out what has been written since; called by the thread of the model.

        Returns:
            the edit to write the last stretch anew with, if it is in another language than the one
            to be kept; nothing of it is handed out then.
        """
        piece = self._piece()
        if self.keeper is None:
            self._give(piece)
            return None
        self._held.append(piece)
        stretch = "".join(one.text for one in self._held)
        tokens = len(self.row.new) - self._kept
        verdict = self.keeper.judge(self._said, stretch, tokens, over=self.over)
        if isinstance(verdict, Edit):
            return verdict
        if verdict == "go":
            for one in self._held:
                self._give(one)
            self._said, self._held, self._kept = self._said + stretch, [], len(self.row.new)
        return None

    def begin_anew(self, edit: Edit) -> None:
        """Forget the last stretch, and write it again under an edit."""
        kept = self.row.new[: self._kept]
        self.row, self.wording = self.begin(), self.word()
        self.row.given = tuple(kept)
        for token in kept:  # one by one, as they came: so the text is cut at the same places
            self.wording.add([token])
        self.resolve, self.origin = (lambda _: edit), None
        self._handed, self._held = len(kept), []

    def _piece(self) -> Piece:
        row = self.row
        new, likely = row.new[self._handed :], row.likely[self._handed :]
        self._handed = max(self._handed, len(row.new))
        shown = new[:-1] if row.end == "end" else new
        text = self.wording.add(shown)
        if self.over:
            text += self.wording.end()
        pairs = zip(shown, likely, strict=False)
        told = tuple((token, score, top) for token, (score, top) in pairs)
        finish = None
        if self.over:
            cut = row.end == "length" and not self.wording.stopped
            finish = "length" if cut else "stop"
        return Piece(text, told, finish)

    def _give(self, piece: Piece) -> None:
        if piece.text or piece.likely or piece.finish:
            self._send(piece)

    def fail(self, error: Exception) -> None:
        """Nothing will come of it."""
        self._send(Piece(error=error))

    def _send(self, piece: Piece) -> None:
        try:
            self.loop.call_soon_threadsafe(self._pieces.put_nowait, piece)
        except RuntimeError:  # the loop has ended: nobody waits
            self.cancelled = True
