"""What the plug-in adds to a layer of vLLM is what the edit adds, token by token."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError, SteeringError
from langsteer.estimators import keep_for
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.vllm import seams
from langsteer.vllm.table import GraphTable, Scheduled
from langsteer.vllm.wishes import PairRows, Wish


@cache
def space() -> Space:
    texts = [
        Text(f"{letters} {number}", tag)
        for tag, letters in {"de": "abc", "fr": "xyz", "ja": "mno"}.items()
        for number in range(6)
    ]
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    return fit(model, Corpus(tuple(texts), "c"), Reading(keep=keep_for(["erasure"])))


def rows(tmp_path: Path, source: str | None = None, **point: Any) -> PairRows:
    chosen = OperatingPoint(layers=(1,), **point)
    space().with_operating_point(chosen).save(tmp_path / "s.safetensors")
    return PairRows.of(str(tmp_path / "s.safetensors"), source)


class Layer(nn.Module):
    """A layer as vLLM has them: a branch and the stream that it is added to."""

    def forward(self, branch: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        return branch, residual


class Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer() for _ in range(tiny.DEPTH)])


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = Body()


@pytest.mark.parametrize("estimator", ["difference", "erasure:1"])
@pytest.mark.parametrize("scope", ["all", "generated", "prompt", "end[-2:1]"])
def test_each_token_has_the_edit_of_its_request(scope: str, estimator: str, tmp_path: Path) -> None:
    mine = rows(tmp_path, scope=scope, estimator=estimator)
    model = Whole()
    table = GraphTable(model, mine, 64, torch.device("cpu"))
    wishes = [
        mine.wish({"langsteer_language": "de", "langsteer_source": "fr"}),
        Wish(),
        mine.wish({"langsteer_language": "ja", "langsteer_source": "de", "langsteer_strength": 2}),
    ]
    prompt = list(range(5))
    step = [
        Scheduled(wishes[0], 0, 5, prompt),  # a whole prompt
        Scheduled(wishes[1], 0, 3, prompt),
        Scheduled(wishes[2], 3, 4, prompt),  # the end of a prompt, and what follows
    ]
    table.fill(step)
    count = sum(one.count for one in step)
    branch, residual = torch.randn(count, tiny.WIDTH), torch.randn(count, tiny.WIDTH)
    out = model.model.layers[1](branch, residual)
    found = out[0] + out[1]
    at = 0
    for one in step:
        for number in range(one.count):
            stream = branch[at] + residual[at]
            wanted = stream
            if one.wish.row:
                edit = mine.edits[one.wish.row - 1]
                position = torch.tensor(one.begin + number)
                if bool(edit.scope.selects(position, torch.tensor(5), torch.tensor(9))):
                    wanted = edit.maps[1](stream[None], one.wish.strength)[0]
            torch.testing.assert_close(found[at], wanted, rtol=0, atol=1e-5)
            at += 1
    other = model.model.layers[0](branch, residual)
    assert other[1] is residual


def test_the_hook_is_one_graph(tmp_path: Path) -> None:
    for estimator in ("difference", "erasure:1"):
        model = Whole()
        GraphTable(model, rows(tmp_path, estimator=estimator), 8, torch.device("cpu"))
        layer = torch.compile(model.model.layers[1], backend="eager", fullgraph=True)
        both = torch.randn(4, tiny.WIDTH), torch.randn(4, tiny.WIDTH)
        found = layer(*both)
        torch.testing.assert_close(found[0] + found[1], both[0] + both[1])


def test_what_a_request_says_is_checked(tmp_path: Path) -> None:
    mine = rows(tmp_path)
    assert mine.wish(None) == mine.wish({}) == mine.wish({"other": 1}) == Wish()
    for extra, said in (
        ({"langsteer_language": "zz"}, "de, fr, ja"),
        ({"langsteer_language": "de"}, "langsteer_source"),
        ({"langsteer_source": "de"}, "needs langsteer_language"),
        ({"langsteer_langauge": "de"}, "langsteer_language"),
        ({"langsteer_language": "de", "langsteer_source": "fr", "langsteer_strength": "x"}, "'x'"),
    ):
        with pytest.raises(LangsteerError, match=said):
            mine.wish(extra)
    known = rows(tmp_path, "fr")
    assert known.wish({"langsteer_language": "fra"}) == Wish()
    salts = {
        known.wish({"langsteer_language": tag, "langsteer_strength": size}).salt
        for tag in ("de", "ja")
        for size in (1, 2)
    }
    assert len(salts) == 4


def test_what_cannot_run_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match="neither a vector nor of low rank"):
        GraphTable(Whole(), rows(tmp_path, estimator="transport-diagonal"), 8, torch.device("cpu"))
    short = Whole()
    short.model.layers = short.model.layers[:1]
    with pytest.raises(SteeringError, match="layer 1"):
        GraphTable(short, rows(tmp_path), 8, torch.device("cpu"))


def test_without_a_space_it_does_nothing_and_a_broken_one_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LANGSTEER_SPACE", raising=False)
    seams.register()
    monkeypatch.setenv("LANGSTEER_SPACE", "/none")
    with pytest.raises(SystemExit, match="the plug-in cannot be used"):
        seams.register()
