"""Where the plug-in meets vLLM: methods of it that are wrapped, for the versions that were tested.

A plug-in that fails is only logged by vLLM, which then serves unsteered answers. So whatever is
wrong here ends the process.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from langsteer.errors import LangsteerError
from langsteer.vllm.table import GraphTable, Scheduled
from langsteer.vllm.wishes import SPACE, Wish, rows_of_environment

LOG = logging.getLogger("vllm.langsteer")
TESTED = ("0.32.",)
"""How the versions begin that were tested."""
UNTESTED = "LANGSTEER_ALLOW_UNTESTED"
GRAPH = 1
"""Changes with what is added to the graph, so that no graph from before is taken for it."""
_TABLE, _KNOWN = "_langsteer_table", "_langsteer_known"


def register() -> None:
    """Called by vLLM in each of its processes; does nothing unless `LANGSTEER_SPACE` is set."""
    if not os.environ.get(SPACE):
        return
    try:
        _require_version()
        rows_of_environment()
        _wrap_runners()
        _wrap_requests()
    except Exception as error:  # vLLM would log it and serve unsteered
        _end(error)


def _require_version() -> None:
    import vllm

    version = str(vllm.__version__)
    if not version.startswith(TESTED) and os.environ.get(UNTESTED) != "1":
        raise LangsteerError(
            f"this is vLLM {version}; tested are {', '.join(one + 'x' for one in TESTED)}. Set "
            f"{UNTESTED}=1 to try it, and compare answers with `langsteer generate`."
        )


def _end(error: Exception) -> NoReturn:
    said = f"langsteer: the plug-in cannot be used: {error}"
    print(said, file=sys.stderr, flush=True)
    raise SystemExit(said) from error


def _wrap(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    """Put a wrapper around a method of the class itself, once."""
    own = owner.__dict__.get(name)
    if own is None:
        raise LangsteerError(f"{owner.__name__} of this vLLM has no {name} of its own")
    if not getattr(own, "_langsteer", False):
        wrapped: Any = functools.wraps(own)(make(own))
        wrapped._langsteer = True
        setattr(owner, name, wrapped)


def _wrap_runners() -> None:
    """The table when a model is loaded, and its rows before each forward."""
    import vllm.v1.worker.gpu_model_runner as first
    from vllm.platforms import current_platform

    _wrap(first.GPUModelRunner, "load_model", _loading)
    _wrap(first.GPUModelRunner, "_prepare_inputs", _preparing_first)
    if current_platform.is_cpu():
        import vllm.v1.worker.cpu_model_runner as on_cpu

        if "load_model" in on_cpu.CPUModelRunner.__dict__:
            _wrap(on_cpu.CPUModelRunner, "load_model", _loading)
        return
    import vllm.v1.worker.gpu.model_runner as second

    _wrap(second.GPUModelRunner, "load_model", _loading)
    _wrap(second.GPUModelRunner, "prepare_inputs", _preparing_second)


def _wrap_requests() -> None:
    """What a request asks for is checked when it comes, and keys what is cached of it."""
    import vllm.v1.request as requests
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.engine.input_processor import InputProcessor

    _wrap(requests.Request, "__init__", _salting)
    _wrap(EngineArgs, "create_engine_config", _keying)
    _wrap(InputProcessor, "_validate_params", _validating)


def _loading(own: Any) -> Any:
    def load_model(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = own(self, *args, **kwargs)
        if not hasattr(self, _TABLE):
            try:
                setattr(self, _TABLE, _table(self))
            except LangsteerError as error:
                _end(error)
        return found

    return load_model


def _table(runner: Any) -> GraphTable:
    config = runner.vllm_config
    sizes = config.compilation_config.cudagraph_capture_sizes or [0]
    tokens = max(config.scheduler_config.max_num_batched_tokens, *sizes, 1)
    rows = rows_of_environment()
    width = config.model_config.get_hidden_size()
    if rows.space.model.width != width:
        raise LangsteerError(
            f"the space is for a model of width {rows.space.model.width}, and this one's is {width}"
        )
    LOG.warning("langsteer: %d rows of edits, tokens in a step: %d", len(rows.edits), tokens)
    return GraphTable(runner.get_model(), rows, tokens, runner.device)


def _preparing_first(own: Any) -> Any:
    def _prepare_inputs(
        self: Any, scheduler_output: Any, counts: Any, *args: Any, **kw: Any
    ) -> Any:
        found = own(self, scheduler_output, counts, *args, **kw)
        names = self.input_batch.req_ids[: self.input_batch.num_reqs]
        _fill(self, scheduler_output, names, np.asarray(counts).tolist())
        return found

    return _prepare_inputs


def _preparing_second(own: Any) -> Any:
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


def _salting(own: Any) -> Any:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        params = kwargs.get("sampling_params", args[2] if len(args) > 2 else None)
        wish = rows_of_environment().wish(getattr(params, "extra_args", None))
        if wish.salt:
            kwargs["cache_salt"] = f"{kwargs.get('cache_salt') or ''}|{wish.salt}"
        own(self, *args, **kwargs)

    return init


def _keying(own: Any) -> Any:
    def create_engine_config(self: Any, *args: Any, **kwargs: Any) -> Any:
        rows = rows_of_environment()
        layers = sorted({layer for edit in rows.edits for layer in edit.maps})
        mine = {"langsteer": [GRAPH, len(rows.edits), layers, rows.checksum]}
        self.additional_config = {**(self.additional_config or {}), **mine}
        return own(self, *args, **kwargs)

    return create_engine_config


def _validating(own: Any) -> Any:
    def _validate_params(self: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        from vllm.exceptions import VLLMValidationError

        try:
            rows_of_environment().wish(getattr(params, "extra_args", None))
        except LangsteerError as error:
            raise VLLMValidationError(str(error)) from error
        return own(self, params, *args, **kwargs)

    return _validate_params
