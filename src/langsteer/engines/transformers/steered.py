"""Steer every forward pass of a model inside a `with` block."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor

from langsteer.edits.edit import Edit, Edits, per_row
from langsteer.edits.known import KnownEdits
from langsteer.engines.transformers.batch import BatchEdit
from langsteer.engines.transformers.guarded import OPENED
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.engines.transformers.thinking import Thinking
from langsteer.errors import SteeringError

_FIRED = "fired"


@contextmanager
def steering(
    stream: ResidualStream,
    edits: Edits,
    *,
    prompt: Mapping[str, Tensor] | None = None,
    own: Tensor | None = None,
    thinking: Thinking | None = None,
) -> Iterator[None]:
    """Edit the residual stream in every forward pass and every generation inside the block.

    The edit belongs to the calling context: other threads do not see it, and an inner `steering`
    takes the place of an outer one while it lasts. Padding is never edited.

    Args:
        stream: the model's residual stream.
        edits: one edit for all rows, or one (or None) for each prompt. A prompt that runs in
            several rows (beams, returned sequences) has its edit in all of them.
        prompt: the tokenized prompt (`input_ids`, `attention_mask`), for loops that call the model
            themselves. The model's own `generate` declares its prompt; a plain forward pass
            without it is taken to be all prompt.
        own: [rows, columns] (bool), which tokens of the prompt are the user's own words and not a
            chat template's; guards read these. All of them if None.
        thinking: follows where thinking is open; no edit acts there. None: edits act everywhere.

    Raises:
        SteeringError: a map that does not fit the model, or a way of running the model that cannot
            be steered exactly, such as packed sequences.
        ScopeError: the scope selects nothing in a prompt.
    """
    given = [edits] if edits is None or isinstance(edits, Edit) else list(edits)
    for edit in given:
        if edit is not None:
            edit.check(stream.depth, stream.width)
    declared = None if prompt is None else _declared(prompt)
    idle = all(edit is None or edit.idle for edit in given)
    editor = None if idle else Steering(stream, edits, own, thinking)
    try:
        with stream.hooks.editing(editor, declared):
            yield
    finally:
        if editor is not None:
            editor.settle()


class Steering:
    """The editor of one `steering` block."""

    def __init__(
        self,
        stream: ResidualStream,
        edits: Edits,
        own: Tensor | None = None,
        thinking: Thinking | None = None,
        known: KnownEdits | None = None,
    ) -> None:
        self._stream, self._own, self._thinking, self._known = stream, own, thinking, known
        self._edits = edits if edits is None or isinstance(edits, Edit) else tuple(edits)
        given: Sequence[Edit | None] = (
            self._edits if isinstance(self._edits, tuple) else (self._edits,)
        )
        self.layers: Set[int] = {
            layer for edit in given if edit is not None and not edit.idle for layer in edit.maps
        }
        self._bos = bos_tokens(stream.model.config)
        self._plans: WeakKeyDictionary[PromptTokens, dict[int, BatchEdit]] = WeakKeyDictionary()
        self._unsettled: list[tuple[ref[PromptTokens], BatchEdit]] = []

    def edit(self, forward: Forward, index: int, hidden: Tensor) -> Tensor:
        """The output of layer `index`, edited."""
        plan = forward.memo.get(self)
        if plan is None:
            plan = forward.memo[self] = self._plan(forward)
            forward.memo[_FIRED] = set()
        forward.memo[_FIRED].add(index)
        if hidden.shape[:2] != (forward.rows, forward.length):
            raise SteeringError(
                f"layer {index} returned latents of shape {tuple(hidden.shape)} in a forward pass "
                f"of {forward.rows} rows and {forward.length} tokens: the rows cannot be told apart"
            )
        opened = None if self._thinking is None else self._thinking.open(forward)
        forward.memo[OPENED] = opened
        edited: Tensor = plan.apply(forward, index, hidden)
        if opened is None:
            return edited
        return torch.where(opened[..., None].to(hidden.device), hidden, edited)

    def finish(self, forward: Forward) -> None:
        """Require that every edited layer has run."""
        self.require_all(self.layers, forward.memo.get(_FIRED, set()))

    @staticmethod
    def require_all(layers: Set[int], fired: Set[int]) -> None:
        """Raise SteeringError unless all layers that are to be edited have run."""
        missing = layers - fired
        if missing:
            raise SteeringError(
                f"layer {min(missing)} was to be edited but did not run; the model was probably "
                "compiled before it was bound: bind it first, then compile"
            )

    def steady(self, prompt: PromptTokens, row: int) -> bool | None:
        """Whether after a prompt that has run all tokens of a row are edited alike, or none.

        None where that is decided token by token.
        """
        if self._thinking is not None and not self._thinking.always(row):
            return None
        return self._plans[prompt][1].steady(row)

    def alone(self, prompt: PromptTokens, row: int) -> tuple[Steering, PromptTokens]:
        """One row of a prompt that has run, to be steered by itself from here on."""
        edit = self._edits if isinstance(self._edits, Edit) else (self._edits or ())[row]
        mine = prompt.row(row)
        thinking = None if self._thinking is None else self._thinking.alone(row)
        one = Steering(self._stream, (edit,), None, thinking)
        if edit is not None:
            plan = self._plans[prompt][1].alone(row, mine, edit, self._bos)
            one._plans[mine] = {1: plan}
        return one, mine

    def check_cache(self, cache: Any) -> None:
        """Warn of keys and values that were computed under another edit."""
        before = getattr(cache, _EDITS, self._edits)
        if before != self._edits:
            warnings.warn(
                "this cache was filled under another edit; what it holds stays steered that way. "
                "Start with a new cache to steer the whole sequence alike",
                stacklevel=2,
            )

    def mark_cache(self, cache: Any) -> None:
        """Note on the cache under which edit it was filled."""
        setattr(cache, _EDITS, self._edits)

    def generated(self, prompt: PromptTokens, kept: Callable[[], Sequence[int]]) -> None:
        """A generation is over: count what the guards did in it."""
        for plan in self._plans.get(prompt, {}).values():
            if plan.guarded:
                plan.finish(kept())

    def settle(self) -> None:
        """Count what the guards did in all that has run."""
        for _, plan in self._unsettled:
            plan.finish()
        self._unsettled.clear()

    def _plan(self, forward: Forward) -> BatchEdit:
        plans = self._plans.setdefault(forward.prompt, {})
        if forward.copies not in plans:
            rows = per_row(self._edits, forward.prompt.rows)
            plan = plans[forward.copies] = BatchEdit(
                forward.prompt, rows, forward.copies, self._bos, self._own, self._known
            )
            if plan.guarded:
                self._follow(forward.prompt, plan)
        return plans[forward.copies]

    def _follow(self, prompt: PromptTokens, plan: BatchEdit) -> None:
        """Settle this plan when its prompt is no more, at the latest with the block."""
        over = [plan for living, plan in self._unsettled if living() is None]
        for one in over:
            one.finish()
        alive = [(living, one) for living, one in self._unsettled if living() is not None]
        self._unsettled = [*alive, (ref(prompt), plan)]


_EDITS = "_langsteer_edits"


def bos_tokens(config: Any) -> frozenset[int]:
    """The beginning-of-sequence tokens of a model's text configuration."""
    bos = getattr(config.get_text_config(decoder=True), "bos_token_id", None)
    given = bos if isinstance(bos, list | tuple) else [bos]
    return frozenset(token for token in given if isinstance(token, int))


def _declared(prompt: Mapping[str, Tensor]) -> PromptTokens:
    ids, mask = prompt.get("input_ids"), prompt.get("attention_mask")
    shown = ids if ids is not None else mask
    if shown is None or shown.ndim != 2:
        raise SteeringError(
            "the prompt must be given as input_ids or attention_mask of shape [rows, columns]"
        )
    return PromptTokens.of(ids, mask, (int(shown.shape[0]), int(shown.shape[1])))
