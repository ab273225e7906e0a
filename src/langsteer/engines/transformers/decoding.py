"""Rows that enter and leave a batch while it runs (continuous batching).

A finished row leaves at once and a waiting prompt takes its place, so that no row waits for another
one's end (Yu et al., "Orca: A Distributed Serving System for Transformer-Based Generative Models",
OSDI 2022, section 3). Each row is what it would be alone: it has its own positions, edit, random
numbers and penalties, and what stands to the left of it is masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from langsteer.edits.edit import Edit
from langsteer.edits.known import KnownEdits
from langsteer.engines.transformers.beginning import shared_tokens
from langsteer.engines.transformers.caches import (
    empty_cache,
    give_rows,
    join_caches,
    keep_rows,
)
from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.encoding import pad_left, pad_token
from langsteer.engines.transformers.hooks import PromptTokens
from langsteer.engines.transformers.mixed import MixedEdits, RowEdit
from langsteer.engines.transformers.penalties import Penalties
from langsteer.engines.transformers.sampling import Sampling
from langsteer.engines.transformers.steered import Steering, bos_tokens
from langsteer.engines.transformers.stopping import stopped
from langsteer.engines.transformers.thinking import Thinking

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model

End = Literal["end", "stop", "length"]
"""Why a row is over: an end token, a stop string, or no room for more."""


@dataclass(eq=False)
class Continuation:
    """A prompt with its edit, and what has been written after it.

    `room` is the most new tokens; `sampling` draws them, else the likeliest is taken; `stops` are
    the strings that end the text. `new` are the tokens so far, the first of them those of `given`
    whatever the model says, and `end` says why there are no more. With a `top`, `likely` holds for
    each of them its log-probability, and so many of the likeliest tokens with theirs, before
    anything is drawn.
    """

    prompt: Rendered
    edit: Edit | None
    room: int
    sampling: Sampling | None = None
    stops: Sequence[str] = ()
    given: Sequence[int] = ()
    new: list[int] = field(default_factory=list)
    end: End | None = None
    top: int | None = None
    likely: list[tuple[float, list[tuple[int, float]]]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The columns that it takes at most."""
        return len(self.prompt.ids) + self.room


class Decoder:
    """The rows that a model is writing now."""

    def __init__(self, model: Model, ends: Sequence[int]) -> None:
        self._model, self._ends = model, frozenset(ends)
        self._penalties = Penalties(model.hf, list(ends))
        self.rows: list[Continuation] = []
        self._edits: list[RowEdit] = []
        self._mixed: MixedEdits | None = None
        self._known = KnownEdits()
        self._cache: DynamicCache | None = None
        self._mask = torch.zeros(0, 0, dtype=torch.long)

    def admit(self, rows: Sequence[Continuation]) -> list[Continuation]:
        """Read the prompts of new rows and write the first token of each; returns those then over.

        Raises:
            SteeringError, ScopeError: an edit does not fit the model or its prompt.
        """
        for row in rows:
            if row.edit is not None:
                row.edit.check(self._model.stream.depth, self._model.stream.width)
        prompts = [row.prompt for row in rows]
        inputs = pad_left(
            [one.ids for one in prompts],
            pad_token(self._model.tokenizer),
            self._model.stream.device,
        )
        mask = inputs["attention_mask"]
        tokens = PromptTokens.of(inputs["input_ids"], mask, (mask.shape[0], mask.shape[1]))
        steering = self._steering(rows, mask.shape[1])
        cache, read = self._begin(rows)
        with self._model.stream.hooks.editing(steering, tokens):
            logits = self._forward(inputs["input_ids"][:, read:], mask, cache)
        self._join(rows, cache, mask, [_row_edit(steering, tokens, at, one.edit)
                                       for at, one in enumerate(rows)])  # fmt: skip
        return self._write(logits, list(rows))

    def step(self) -> list[Continuation]:
        """Write one more token of every row; returns those that are over."""
        return self._write(self.advance(), self.rows) if self.rows else []

    def advance(self) -> Tensor:
        """Give the model the last token of every row: the logits [rows, tokens] after it."""
        if self._mixed is None:
            self._mixed = MixedEdits(self._edits, self._known)
        mixed = self._mixed if self._mixed.layers else None
        device = self._mask.device
        last = torch.tensor([[row.new[-1]] for row in self.rows], device=device)
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], 1)
        prompt = PromptTokens(torch.ones(len(self.rows), 1, dtype=torch.bool))
        with self._model.stream.hooks.editing(mixed, prompt):
            logits = self._forward(last, self._mask, cast(DynamicCache, self._cache))
        if mixed is None:
            self._mixed.passed()
        return logits

    def drop(self, rows: Sequence[Continuation]) -> None:
        """Let rows leave, whether they are over or not."""
        gone = {id(row) for row in rows}
        kept = [place for place, row in enumerate(self.rows) if id(row) not in gone]
        if len(kept) == len(self.rows):
            return
        for row, edit in zip(self.rows, self._edits, strict=True):
            if id(row) in gone:
                edit.finish(len(row.new))
        self.rows = [self.rows[place] for place in kept]
        self._edits = [self._edits[place] for place in kept]
        self._mixed = None
        if not kept:
            self._cache = None
            return
        where = torch.tensor(kept, device=self._mask.device)
        mask = self._mask[where]
        columns = int(mask.sum(1).max())
        self._mask = mask[:, mask.shape[1] - columns :]
        keep_rows(cast(DynamicCache, self._cache), where, columns)

    def _begin(self, rows: Sequence[Continuation]) -> tuple[DynamicCache, int]:
        """A cache for these rows, and how many columns of it what they all begin with fills."""
        cache = self._empty()
        counts = shared_tokens(rows, bos_tokens(self._model.hf.config))
        if counts is None:
            return cache, 0
        columns = max(counts)
        ids = torch.tensor([rows[0].prompt.ids[:columns]], device=self._model.stream.device)
        with self._model.stream.hooks.editing(None):
            self._forward(ids, torch.ones_like(ids), cache)
        return (cache, columns) if give_rows(cache, counts) else (self._empty(), 0)

    def _empty(self) -> DynamicCache:
        cache = empty_cache(self._model.hf)
        if cache is None:
            raise RuntimeError("this model keeps more than keys and values: rows cannot be joined")
        return cache

    def _steering(self, rows: Sequence[Continuation], columns: int) -> Steering | None:
        edits = [row.edit for row in rows]
        if all(edit is None or edit.idle for edit in edits):
            return None
        prompts = [row.prompt for row in rows]
        thinking = Thinking.of(self._model.tokenizer, prompts, columns)
        return Steering(
            self._model.stream, edits, own_words(prompts, columns), thinking, self._known
        )

    def _forward(self, ids: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
        """The logits [rows, tokens] after the last of these tokens."""
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if self._model.stream.positional:
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            given["position_ids"] = positions[:, positions.shape[1] - ids.shape[1] :]
        hf = cast(Any, self._model.hf)
        if self._model.stream.last_logits:
            given["logits_to_keep"] = 1
        with torch.no_grad():
            out = hf(**given, past_key_values=cache, use_cache=True)
        return cast(Tensor, out.logits[:, -1])

    def _join(
        self, rows: Sequence[Continuation], cache: DynamicCache, mask: Tensor, edits: list[RowEdit]
    ) -> None:
        self._mixed = None
        if self._cache is None:
            self._cache, self._mask = cache, mask
            self.rows, self._edits = list(rows), edits
            return
        columns = max(self._mask.shape[1], mask.shape[1])
        join_caches(self._cache, cache, columns)
        self._mask = torch.cat([_wide(self._mask, columns), _wide(mask, columns)])
        self.rows, self._edits = [*self.rows, *rows], [*self._edits, *edits]

    def _write(self, logits: Tensor, rows: Sequence[Continuation]) -> list[Continuation]:
        """Add the next token to each row, and let those leave that are over."""
        over = []
        for at, (row, token) in enumerate(zip(rows, self._next(logits, rows), strict=True)):
            written = len(row.new)
            row.new.append(row.given[written] if written < len(row.given) else token)
            if row.top is not None:
                row.likely.append(_likely(logits[at], row.new[-1], row.top))
            row.end = self._end(row)
            if row.end is not None:
                over.append(row)
        self.drop(over)
        return over

    def _next(self, logits: Tensor, rows: Sequence[Continuation]) -> list[int]:
        plain = self._penalties.idle and all(row.sampling is None for row in rows)
        if plain:
            return cast("list[int]", logits.argmax(-1).tolist())
        best = []
        for at, row in enumerate(rows):
            scores = logits[at : at + 1].float()
            if not self._penalties.idle:
                ids = row.prompt.ids
                scores = self._penalties([*ids, *row.new], len(ids), scores)
            if row.sampling is not None:
                scores = row.sampling(scores, scores)
            best.append(scores.argmax(-1))
        return cast("list[int]", torch.cat(best).tolist())

    def _end(self, row: Continuation) -> End | None:
        if row.new[-1] in self._ends:
            return "end"
        if stopped(self._model.tokenizer, row.new, row.stops):
            return "stop"
        return "length" if len(row.new) >= row.room else None


def _likely(logits: Tensor, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
    """The log-probability of a token, and the likeliest ones with theirs."""
    scores = logits.float().log_softmax(-1)
    best = scores.topk(top)
    pairs = list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return float(scores[token]), pairs


def own_words(prompts: Sequence[Rendered], columns: int) -> Tensor:
    """Where the users' own words stand in prompts that are padded on the left [rows, columns]."""
    own = torch.zeros(len(prompts), columns, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        begin = columns - len(prompt.ids)
        own[row, [begin + place for place in prompt.own]] = True
    return own


def _row_edit(
    steering: Steering | None, prompt: PromptTokens, row: int, edit: Edit | None
) -> RowEdit:
    """How a row goes on being edited after its prompt has run."""
    if steering is None or edit is None or edit.idle:
        return RowEdit(None)
    steady = steering.steady(prompt, row)
    if steady is not None:
        return RowEdit(edit if steady else None)
    return RowEdit(None, *steering.alone(prompt, row))


def _wide(mask: Tensor, columns: int) -> Tensor:
    return torch.nn.functional.pad(mask, (columns - mask.shape[1], 0))
