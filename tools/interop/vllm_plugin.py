"""The plug-in in vLLM, against the steered model in transformers.

    python tools/interop/vllm_plugin.py [--families llama qwen3 gemma3] [--ways eager compiled …]

Random models, a space of three languages, and a batch of requests of all pairs and none, with
prompts of several lengths, in scopes all and generated. Each batch runs twice, the second time with
what is cached of the prompts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from environments import VLLM, python_of, triton_on_cpu
from models import FAMILIES, STEPS, Said, random_model, steered
from transformers import PreTrainedTokenizerFast

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.estimators import keep_for
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space

GOAL = 1e-4
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Way:
    """How vLLM runs: options of its engine, and of its environment."""

    options: dict[str, Any]
    environment: Callable[[], dict[str, str]] = dict


def second_runner() -> dict[str, str]:
    """The second model runner needs Triton, whose kernels are interpreted here."""
    return {
        "VLLM_USE_V2_MODEL_RUNNER": "1",
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": os.pathsep.join((str(SOURCE), triton_on_cpu())),
    }


def two_processes() -> dict[str, str]:
    """A core for each of two processes."""
    return {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}


EAGER: dict[str, Any] = {"enforce_eager": True}
CHUNKS = {"max_num_batched_tokens": 32, "max_num_seqs": 8}
WAYS = {
    "eager": Way(EAGER),
    "compiled": Way({"enforce_eager": False}),
    "chunked prefill": Way(EAGER | CHUNKS),
    "tensor parallel": Way(EAGER | {"tensor_parallel_size": 2}, two_processes),
    "second runner": Way(EAGER, second_runner),
    "second, chunks": Way(EAGER | CHUNKS, second_runner),
    "second, pipeline": Way(
        EAGER | {"pipeline_parallel_size": 2}, lambda: second_runner() | two_processes()
    ),
}


def space_of(folder: Path, estimator: str) -> Space:
    """A space of three languages, whose words are numbers."""
    generator = torch.Generator().manual_seed(0)
    texts = []
    for number, tag in enumerate(("de", "fr", "ja")):
        for text in range(12):
            low = 90 * number
            words = torch.randint(low + 10, low + 90, (9,), generator=generator).tolist()
            texts.append(Text(" ".join(f"t{word}" for word in words), tag, str(text)))
    model = Model.from_pretrained(folder)
    keep = keep_for([estimator.partition(":")[0]])
    return fit(model, Corpus(tuple(texts), "numbers"), Reading(keep=keep))


def requests(space: Space) -> list[tuple[tuple[int, ...], dict[str, Any] | None]]:
    """Prompts of several lengths, each with its own pair, strength, or nothing."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for number, pair in enumerate([None, *permutations(space.languages, 2), None]):
        length = (3, 40, 9, 70)[number % 4]
        shared = torch.arange(20, 20 + length).tolist()  # many begin alike: these are cached
        shared[-1] = int(torch.randint(5, 200, (1,), generator=generator))
        extra = None
        if pair is not None:
            extra = {"langsteer_source": pair[0], "langsteer_language": pair[1]}
            if number % 2:
                extra["langsteer_strength"] = 1.5
        found.append((tuple(shared), extra))
    return found


def wanted(folder: Path, space: Space, prompt: tuple[int, ...], extra: Any) -> Said:
    """What transformers says, with the prompt known as one."""
    if extra is None:
        return steered(folder, None, prompt)
    edit = space.edit(extra["langsteer_source"], extra["langsteer_language"])
    if "langsteer_strength" in extra:
        edit = edit.at(strength=extra["langsteer_strength"])
    return steered(folder, edit, prompt, prompt_known=True)


def compared(folder: Path, space: Space, work: Path, way: Way) -> tuple[float, bool]:
    """The largest difference of log-probabilities, and whether all tokens are the same."""
    path = work / "space.safetensors"
    space.save(path)
    asked = requests(space)
    told = {
        "model": str(folder),
        "steps": STEPS,
        "options": way.options,
        "requests": [{"prompt": prompt, "extra": extra} for prompt, extra in asked],
    }
    (work / "told.json").write_text(json.dumps(told))
    environment = {
        **os.environ,
        "LANGSTEER_SPACE": str(path),
        "PYTHONPATH": str(SOURCE),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        **way.environment(),
    }
    script, out = Path(__file__).with_name("in_vllm_plugin.py"), work / "out.json"
    done = subprocess.run(
        [str(python_of(VLLM)), str(script), str(work / "told.json"), str(out)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line]
        raise SystemExit("vLLM failed:\n" + "\n".join(lines[:6]))
    found = json.loads(out.read_text())
    if not all(found["refused"]) or "de, fr, ja" not in found["refused"][0]:
        raise SystemExit(f"a wrong request was not refused: {found['refused']}")
    worst, same = 0.0, True
    for run in found["runs"]:
        for one, (prompt, extra) in zip(run, asked, strict=True):
            said = wanted(folder, space, prompt, extra)
            same &= one["tokens"] == said.tokens
            for number, step in enumerate(one["scores"]):
                scores = {int(token): score for token, score in step.items()}
                worst = max(worst, said.difference(scores, number))
    return worst, same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--families", nargs="+", choices=list(FAMILIES), default=["llama", "gemma3"]
    )
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    given = parser.parse_args()
    failed = False
    cases = [("all", "difference"), ("generated", "difference"), ("generated", "erasure:2")]
    for family in given.families:
        with TemporaryDirectory() as name:
            work = Path(name)
            folder = random_model(family, work / "model")
            PreTrainedTokenizerFast.from_pretrained(folder)
            for way in given.ways:
                for scope, estimator in cases if way == "eager" else cases[:1]:
                    point = OperatingPoint((2,), 1.0, scope, estimator)
                    space = space_of(folder, estimator).with_operating_point(point)
                    worst, same = compared(folder, space, work, WAYS[way])
                    said = "same tokens" if same else "OTHER TOKENS"
                    print(
                        f"{family:8} {way:16} {scope:10} {estimator:11} {worst:9.1e}  {said}",
                        flush=True,
                    )
                    failed |= not same or worst > GOAL
    if failed:
        sys.exit("the plug-in does not compute what the steered model does")


if __name__ == "__main__":
    main()
