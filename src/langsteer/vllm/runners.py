"""What the plug-in does in vLLM's model runners: the table, and its rows before each forward."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from langsteer.errors import LangsteerError
from langsteer.vllm.ending import end
from langsteer.vllm.table import GraphTable, Scheduled
from langsteer.vllm.wishes import Wish, rows_of_environment

LOG = logging.getLogger("vllm.langsteer")
_TABLE, _KNOWN = "_langsteer_table", "_langsteer_known"
TRIED = 2
"""Tokens of the pass that shows at the start whether edits reach what the model computes."""


def loading(own: Any) -> Any:
    """Add the table when the model is loaded, before anything is compiled."""

    def load_model(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = own(self, *args, **kwargs)
        if not hasattr(self, _TABLE):
            try:
                setattr(self, _TABLE, _table(self))
            except LangsteerError as error:
                end(error)
        return found

    return load_model


def _table(runner: Any) -> GraphTable:
    config = runner.vllm_config
    sizes = config.compilation_config.cudagraph_capture_sizes or [0]
    tokens = max(config.scheduler_config.max_num_batched_tokens, *sizes, 1)
    _refuse(config)
    rows = rows_of_environment()
    width = config.model_config.get_hidden_size()
    if rows.space.model.width != width:
        raise LangsteerError(
            f"the space is for a model of width {rows.space.model.width}, and this one's is {width}"
        )
    LOG.warning("langsteer: %d rows of edits, tokens in a step: %d", len(rows.edits), tokens)
    return GraphTable(runner.get_model(), rows, tokens, runner.device)


def _refuse(config: Any) -> None:
    """What divides the tokens of a step behind the runner's back: rows would be of other tokens."""
    parallel, speculative = config.parallel_config, config.speculative_config
    passes = getattr(config.compilation_config, "pass_config", None)
    for name, on in (
        ("micro-batches (--enable-dbo)", parallel.use_ubatching),
        ("prefill context parallelism", parallel.prefill_context_parallel_size > 1),
        ("sequence parallelism", bool(getattr(passes, "enable_sp", False))),
        (
            "adaptive draft verification",
            bool(getattr(speculative, "enable_adaptive_verification", False)),
        ),
    ):
        if on:
            raise LangsteerError(f"{name} cannot be used with edits for each request")


def trying(own: Any) -> Any:
    """When all is compiled, see that an edit changes what the model computes."""

    def compile_or_warm_up_model(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = own(self, *args, **kwargs)
        try:
            _try(self.model_runner)
        except LangsteerError as error:
            end(error)
        return found

    return compile_or_warm_up_model


def _try(runner: Any) -> None:
    table: GraphTable | None = getattr(runner, _TABLE, None)
    if table is None:
        raise LangsteerError("the model was loaded without the edits")
    row = table.telling()
    if row is None:  # no edit of this process changes anything: its layers are elsewhere
        return
    without = _states(runner)
    table.fill_all(row)
    steered = _states(runner)
    table.fill_all(0)
    if without is not None and steered is not None and torch.equal(without, steered):
        raise LangsteerError("an edit changes nothing of what the compiled model computes")


def _states(runner: Any) -> torch.Tensor | None:
    """What the model computes of a few tokens that are always the same."""
    found = runner._dummy_run(TRIED)[0]
    return found.clone() if isinstance(found, torch.Tensor) else None


def preparing_first(own: Any) -> Any:
    """Fill the rows of a step, in the first runner."""

    def _prepare_inputs(
        self: Any, scheduler_output: Any, counts: Any, *args: Any, **kw: Any
    ) -> Any:
        found = own(self, scheduler_output, counts, *args, **kw)
        names = self.input_batch.req_ids[: self.input_batch.num_reqs]
        _fill(self, scheduler_output, names, np.asarray(counts).tolist())
        return found

    return _prepare_inputs


def preparing_second(own: Any) -> Any:
    """Fill the rows of a step, in the second runner."""

    def prepare_inputs(self: Any, scheduler_output: Any, *args: Any, **kwargs: Any) -> Any:
        batch = own(self, scheduler_output, *args, **kwargs)
        _fill(
            self, scheduler_output, batch.req_ids, np.asarray(batch.num_scheduled_tokens).tolist()
        )
        return batch

    return prepare_inputs


def _fill(runner: Any, scheduled: Any, names: list[str], counts: list[int]) -> None:
    """Fill the rows of one step, in the order of the batch."""
    table: GraphTable | None = getattr(runner, _TABLE, None)
    if table is None:
        return
    known: dict[str, tuple[Wish, list[int]]] = runner.__dict__.setdefault(_KNOWN, {})
    for gone in scheduled.finished_req_ids:
        known.pop(gone, None)
    begins = dict(_begins(scheduled))
    for new in scheduled.scheduled_new_reqs:
        extra = new.sampling_params.extra_args if new.sampling_params else None
        known[new.req_id] = rows_of_environment().wish(extra), list(new.prompt_token_ids or ())
    table.fill(
        [
            Scheduled(known[name][0], begins[name], count, known[name][1])
            for name, count in zip(names, counts, strict=True)
        ]
    )


def _begins(scheduled: Any) -> Iterator[tuple[str, int]]:
    """How many tokens of each request were read before this step."""
    for new in scheduled.scheduled_new_reqs:
        yield new.req_id, new.num_computed_tokens
    going = scheduled.scheduled_cached_reqs
    yield from zip(going.req_ids, going.num_computed_tokens, strict=True)
