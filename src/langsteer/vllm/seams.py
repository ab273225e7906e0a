"""Where the plug-in meets vLLM: methods of it that are wrapped, for the versions that were tested.

A plug-in that fails is only logged by vLLM, which then serves unsteered answers. So whatever is
wrong here ends the process.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langsteer.errors import LangsteerError
from langsteer.vllm import admission, runners
from langsteer.vllm.ending import end
from langsteer.vllm.wishes import SPACE, rows_of_environment

TESTED = ("0.32.",)
"""How the versions begin that were tested."""
UNTESTED = "LANGSTEER_ALLOW_UNTESTED"


@dataclass(frozen=True)
class Seam:
    """A method that is wrapped, and the parameters that it must begin with."""

    module: str
    owner: str
    method: str
    parameters: tuple[str, ...]
    make: Callable[[Any], Any]
    """Makes the wrapper, from the method itself."""

    def wrap(self) -> None:
        """Put the wrapper in its place, once. LangsteerError if the method is not as it was."""
        owner = getattr(importlib.import_module(self.module), self.owner, None)
        own = None if owner is None else owner.__dict__.get(self.method)
        if own is None:
            raise LangsteerError(f"{self.owner} of this vLLM has no {self.method} of its own")
        if getattr(own, "_langsteer", False):
            return
        found = tuple(inspect.signature(own).parameters)
        if found[: len(self.parameters)] != self.parameters:
            raise LangsteerError(
                f"{self.owner}.{self.method} of this vLLM takes {', '.join(found)}, and not "
                f"{', '.join(self.parameters)} first"
            )
        wrapped: Any = functools.wraps(own)(self.make(own))
        wrapped._langsteer = True
        setattr(owner, self.method, wrapped)


FIRST, SECOND = "vllm.v1.worker.gpu_model_runner", "vllm.v1.worker.gpu.model_runner"
MODELS = "vllm.entrypoints.openai.models.serving"
EVERYWHERE = (
    Seam(FIRST, "GPUModelRunner", "load_model", ("self", "load_dummy_weights"), runners.loading),
    Seam(
        FIRST, "GPUModelRunner", "_prepare_inputs",
        ("self", "scheduler_output", "num_scheduled_tokens"), runners.preparing_first,
    ),
    Seam(
        "vllm.v1.request", "Request", "__init__",
        ("self", "request_id", "prompt_token_ids", "sampling_params"), admission.salting,
    ),
    Seam(
        "vllm.engine.arg_utils", "EngineArgs", "create_engine_config", ("self",), admission.keying
    ),
    Seam(
        "vllm.v1.engine.input_processor", "InputProcessor", "_validate_params",
        ("self", "params"), admission.validating,
    ),
    Seam(
        "vllm.entrypoints.openai.chat_completion.protocol", "ChatCompletionRequest",
        "to_sampling_params", ("self",), admission.taking_fields,
    ),
    Seam(
        "vllm.entrypoints.openai.completion.protocol", "CompletionRequest",
        "to_sampling_params", ("self",), admission.taking_fields,
    ),
    Seam(MODELS, "OpenAIModelRegistry", "is_base_model", ("self", "model_name"), admission.naming),
    Seam(MODELS, "OpenAIModelRegistry", "show_available_models", ("self",), admission.listing),
)  # fmt: skip
ON_CPU = (
    Seam(
        "vllm.v1.worker.cpu_model_runner", "CPUModelRunner", "load_model",
        ("self", "load_dummy_weights"), runners.loading,
    ),
    Seam(
        "vllm.v1.worker.cpu_worker", "CPUWorker", "compile_or_warm_up_model", ("self",),
        runners.trying,
    ),
)  # fmt: skip
ON_GPU = (
    Seam(
        "vllm.v1.worker.gpu_worker", "Worker", "compile_or_warm_up_model", ("self",),
        runners.trying,
    ),
)  # fmt: skip
WITH_TRITON = (
    Seam(SECOND, "GPUModelRunner", "load_model", ("self", "load_dummy_weights"), runners.loading),
    Seam(
        SECOND, "GPUModelRunner", "prepare_inputs", ("self", "scheduler_output"),
        runners.preparing_second,
    ),
)  # fmt: skip
"""The second runner cannot be imported without Triton."""


def register() -> None:
    """Called by vLLM in each of its processes; does nothing unless `LANGSTEER_SPACE` is set."""
    if not os.environ.get(SPACE):
        return
    try:
        _require_version()
        rows_of_environment()
        from vllm.platforms import current_platform
        from vllm.triton_utils import HAS_TRITON

        own = ON_CPU if current_platform.is_cpu() else ON_GPU
        for seam in (*EVERYWHERE, *own, *(WITH_TRITON if HAS_TRITON else ())):
            seam.wrap()
    except Exception as error:  # vLLM would log it and serve unsteered
        end(error)


def _require_version() -> None:
    import vllm

    version = str(vllm.__version__)
    if not version.startswith(TESTED) and os.environ.get(UNTESTED) != "1":
        raise LangsteerError(
            f"this is vLLM {version}; tested are {', '.join(one + 'x' for one in TESTED)}. Set "
            f"{UNTESTED}=1 to try it, and compare answers with `langsteer generate`."
        )
