"""A plug-in that does not work ends the process: vLLM would serve unsteered answers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from langsteer.errors import LangsteerError
from langsteer.vllm import runners
from langsteer.vllm.seams import EVERYWHERE, ON_CPU, ON_GPU, WITH_TRITON, Seam
from langsteer.vllm.table import GraphTable
from plugin_vllm.test_plugin import Whole, rows


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with a class whose methods can be wrapped."""

    class Runner:
        def step(self, scheduled: int, extra: int = 0) -> int:
            """What it does."""
            return scheduled + extra

        def other(self, rows: int) -> int:
            return rows

    found = ModuleType("engine_of_test")
    found.Runner = Runner  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "engine_of_test", found)
    return found


def doubling(own: Any) -> Any:
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        return 2 * own(self, *args, **kwargs)

    return step


def test_a_method_is_wrapped_once_and_stays_what_it_was(engine: Any) -> None:
    seam = Seam("engine_of_test", "Runner", "step", ("self", "scheduled"), doubling)
    seam.wrap()
    seam.wrap()
    assert engine.Runner().step(3, extra=1) == 8
    assert engine.Runner.step.__doc__ == "What it does."


@pytest.mark.parametrize(
    ("owner", "method", "parameters", "said"),
    [
        ("Runner", "gone", ("self",), "no gone"),
        ("Gone", "step", ("self",), "Gone"),
        ("Runner", "other", ("self", "scheduled"), "takes self, rows, and not self, scheduled"),
    ],
)
def test_what_is_not_as_it_was_is_refused(
    owner: str, method: str, parameters: tuple[str, ...], said: str, engine: Any
) -> None:
    with pytest.raises(LangsteerError, match=said):
        Seam("engine_of_test", owner, method, parameters, doubling).wrap()


def test_every_seam_is_of_another_method() -> None:
    seams = (*EVERYWHERE, *ON_CPU, *ON_GPU, *WITH_TRITON)
    assert len({(one.module, one.owner, one.method) for one in seams}) == len(seams)


class Runner:
    """A runner with a model of two layers."""

    def __init__(self, model: Whole) -> None:
        self.model = model
        self.stream = torch.randn(runners.TRIED, tiny.WIDTH)

    def _dummy_run(self, _: int) -> tuple[torch.Tensor, None]:
        residual = self.stream
        for layer in self.model.model.layers:
            branch, residual = layer(torch.zeros_like(residual), residual)
        return branch + residual, None


def warm_up(runner: Runner) -> str:
    wrapped = runners.trying(lambda _: "warm")
    return str(wrapped(SimpleNamespace(model_runner=runner)))


def test_an_edit_must_show_when_all_is_compiled(tmp_path: Path) -> None:
    runner = Runner(Whole())
    with pytest.raises(SystemExit, match="loaded without the edits"):
        warm_up(runner)
    table = GraphTable(runner.model, rows(tmp_path), 8, torch.device("cpu"))
    runner._langsteer_table = table  # type: ignore[attr-defined]
    before = runner._dummy_run(2)[0]
    assert warm_up(runner) == "warm"
    assert torch.equal(runner._dummy_run(2)[0], before)  # nothing is left of the trial
    for layer in runner.model.model.layers:
        layer._forward_hooks.clear()  # as in a graph that was compiled without them
    with pytest.raises(SystemExit, match="changes nothing"):
        warm_up(runner)


def config(**changed: Any) -> Any:
    parallel = {"use_ubatching": False, "prefill_context_parallel_size": 1}
    return SimpleNamespace(
        parallel_config=SimpleNamespace(**{**parallel, **changed}),
        speculative_config=None,
        compilation_config=SimpleNamespace(pass_config=SimpleNamespace()),
    )


def test_what_divides_the_tokens_of_a_step_is_refused() -> None:
    runners._refuse(config())
    with pytest.raises(LangsteerError, match="micro-batches"):
        runners._refuse(config(use_ubatching=True))
    with pytest.raises(LangsteerError, match="context parallelism"):
        runners._refuse(config(prefill_context_parallel_size=2))
    both = config()
    both.speculative_config = SimpleNamespace(enable_adaptive_verification=True)
    with pytest.raises(LangsteerError, match="adaptive"):
        runners._refuse(both)
