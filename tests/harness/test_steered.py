"""The harness' numbers are those of the steered model, row by row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.fitting.fit import fit
from langsteer.lm_eval import SteeredLM
from langsteer.space.space import OperatingPoint, Space

PAIRS = [("ab cd", " ef"), ("a", "bc de"), ("one two three", " x")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its space, and a task of the harness."""
    here = tmp_path_factory.mktemp("lm_eval")
    tiny.make("llama").save_pretrained(here / "model")
    tiny.tokenizer().save_pretrained(here / "model")
    model = Model.from_pretrained(here / "model")
    texts = [Text(f"{letters} {i}", tag) for tag, letters in (("de", "abc"), ("fr", "xyz"))
             for i in range(6)]  # fmt: skip
    fit(model, Corpus(tuple(texts), "letters")).save(here / "space.safetensors")
    rows = [{"question": question, "answer": answer} for question, answer in PAIRS]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (here / "tasks").mkdir()
    (here / "tasks" / "tiny.yaml").write_text(
        f"task: tiny\ndataset_path: json\ndataset_kwargs:\n  data_files:\n"
        f"    test: {here / 'rows.jsonl'}\ntest_split: test\noutput_type: generate_until\n"
        'doc_to_text: "{{question}}"\ndoc_to_target: "{{answer}}"\n'
        'generation_kwargs:\n  until: ["e"]\n  max_gen_toks: 6\n  do_sample: false\n'
        "metric_list:\n  - metric: exact_match\n"
    )
    return here


def loaded(folder: Path, **options: object) -> SteeredLM:
    return SteeredLM(str(folder / "model"), dtype="float32", device="cpu", batch_size=2, **options)


def likelihoods(model: HFLM) -> list[tuple[float, bool]]:
    requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(PAIRS)]
    return [(float(one), bool(best)) for one, best in model.loglikelihood(requests)]


def test_without_a_space_it_is_the_harness_own_model(folder: Path) -> None:
    own = HFLM(str(folder / "model"), dtype="float32", device="cpu", batch_size=2)
    for mine, theirs in zip(likelihoods(loaded(folder)), likelihoods(own), strict=True):
        assert mine[0] == pytest.approx(theirs[0], abs=1e-4)
        assert mine[1] == theirs[1]
    rolling = [Instance("loglikelihood_rolling", {}, (text,), 0) for text, _ in PAIRS]
    assert loaded(folder).loglikelihood_rolling(rolling) == pytest.approx(
        own.loglikelihood_rolling(rolling), abs=1e-4
    )


@pytest.mark.parametrize("scope", ["all", "generated", "prompt_last"])
def test_likelihoods_are_those_of_the_steered_model(scope: str, folder: Path) -> None:
    options = {"space": str(folder / "space.safetensors"), "to": "fr", "source": "de"}
    model = loaded(folder, **options, layer=1, strength=2.0, scope=scope)
    found = likelihoods(model)
    assert [one for one, _ in found] != [one for one, _ in likelihoods(loaded(folder))]
    bound = Model.from_pretrained(folder / "model")
    edit = model._steering
    for (context, following), (said, _) in zip(PAIRS, found, strict=True):
        prompt = tiny.tokenizer()(context)["input_ids"]
        rest = tiny.tokenizer()(following, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[*prompt, *rest]])
        with bound.steered(edit, prompt={"input_ids": ids[:, : len(prompt)]}), torch.no_grad():
            scores = bound.hf(input_ids=ids).logits[0].log_softmax(-1)
        wanted = sum(float(scores[len(prompt) + i - 1, token]) for i, token in enumerate(rest))
        assert said == pytest.approx(wanted, abs=1e-4)


def test_the_harness_own_type_reads_what_is_exported(folder: Path, tmp_path: Path) -> None:
    space = Space.load(folder / "space.safetensors")
    edit = space.edit("de", "fr", point=OperatingPoint(layers=(1,))).at(strength=2.0)
    file = tmp_path / "v.pt"
    edit = replace(edit, scope=Scope(spare_bos=False))
    edit.export(file, "lm-eval", model=str(folder / "model"))
    own = get_model("steered")(
        str(folder / "model"), steer_path=str(file), dtype="float32", device="cpu", batch_size=2
    )
    mine = loaded(folder)
    mine._steering = edit
    found = [one for one, _ in likelihoods(mine)]
    assert [one for one, _ in likelihoods(own)] == pytest.approx(found, abs=1e-4)
    assert found != [one for one, _ in likelihoods(loaded(folder))]


def test_a_task_runs_steered(folder: Path) -> None:
    options = {"space": str(folder / "space.safetensors"), "to": "fr", "source": "de"}
    tasks = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)

    def samples(model: HFLM) -> list[str]:
        done = simple_evaluate(model, tasks=["tiny"], task_manager=tasks, bootstrap_iters=0)
        return [one["resps"][0][0] for one in done["samples"]["tiny"]]

    steered = loaded(folder, **options, layer=1, strength=3.0)
    found = samples(steered)
    bound = Model.from_pretrained(folder / "model")
    for (context, _), said in zip(PAIRS, found, strict=True):
        whole = bound.generate(context, steered._steering, max_new_tokens=6)
        assert said == whole.split("e")[0]
    assert found != samples(loaded(folder))


def test_what_is_wrong_is_said(folder: Path) -> None:
    space = str(folder / "space.safetensors")
    with pytest.raises(LangsteerError, match="to=de"):
        loaded(folder, space=space)
    with pytest.raises(LangsteerError, match="not among the languages"):
        loaded(folder, space=space, to="zh", source="de")
    model = loaded(folder)
    asked = Instance("generate_until", {}, ("a", {"until": ["e"], "num_beams": 4}), 0)
    with pytest.raises(LangsteerError, match="num_beams"):
        model.generate_until([asked])
