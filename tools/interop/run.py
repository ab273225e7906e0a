"""Every export on its real engine, against the steered model in transformers.

    python tools/interop/run.py [--only llama.cpp vllm …] [--real MODEL]

Random models of the families, an edit at every layer that a format can name, greedy decoding. Each
engine has an environment of its own, made on first use below benchmarks/results/interop (a few GB).
Given are the largest difference of log-probabilities of all tokens from those of transformers with
hooks, the same for the unsteered model, which shows what the engine itself rounds, and whether the
tokens are the same. With `--real`, llama.cpp also runs that checkpoint, in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import llama_cpp
import torch
from as_gguf import write_gguf
from environments import REPENG, STEERING_VECTORS, VLLM, Engine, python_of
from models import FAMILIES, PROMPT, STEPS, Said, edit_at, random_model, steered
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

from langsteer.interchange import Origin, export

HERE = Path(__file__).parent
GOAL = 1e-4
LORA = ("llama", "mistral", "qwen2")
WIDTH, DEPTH = 128, 4
Row = tuple[str, str, float, float, bool]
"""Engine and format, family, difference, that of the unsteered model, and the same tokens."""


def origin(folder: Path, family: str) -> Origin:
    """Where an edit comes from."""
    return Origin(str(folder), AutoConfig.from_pretrained(folder).model_type, "en", "de")


def in_llama_cpp(work: Path) -> Iterator[Row]:
    """Control vectors at all layers but the first, and checkpoints."""
    for family in FAMILIES:
        folder, edit = random_model(family, work / family), edit_at((1, 2, 3), WIDTH, 2.0)
        model, vector = work / f"{family}.gguf", work / f"{family}-vector.gguf"
        write_gguf(folder, model)
        export(edit, vector, "gguf", origin(folder, family))
        plain, _ = llama_cpp.compare(steered(folder, None), PROMPT, model)
        said = steered(folder, edit)
        worst, same = llama_cpp.compare(said, PROMPT, model, "--control-vector", str(vector))
        yield "llama.cpp, gguf", family, worst, plain, same
        if family in LORA:
            everywhere = edit_at(tuple(range(DEPTH)), WIDTH, 2.0)
            out = work / f"{family}-folded"
            export(everywhere, out, "folded", origin(folder, family))
            write_gguf(out, work / f"{family}-folded.gguf")
            said = steered(folder, everywhere)
            worst, same = llama_cpp.compare(said, PROMPT, work / f"{family}-folded.gguf")
            yield "llama.cpp, folded", family, worst, plain, same


def in_vllm(work: Path) -> Iterator[Row]:
    """Checkpoints, and several adapters in one batch with the model itself."""
    every = tuple(range(DEPTH))
    for family in FAMILIES:
        folder, edit = random_model(family, work / family), edit_at(every, WIDTH, 2.0)
        out = work / f"{family}-folded"
        export(edit, out, "folded", origin(folder, family))
        (found,) = _vllm(work, out, [None])
        yield "vLLM, folded", family, *_compared(found, steered(folder, edit))
    for family in LORA[::2]:
        folder = work / family
        edits = [edit_at(every, WIDTH, 2.0), edit_at((1, 3), WIDTH, 1.0, seed=5)]
        outs = [work / f"{family}-lora" / name for name in ("one", "two")]
        for edit, out in zip(edits, outs, strict=True):
            export(edit, out, "lora", origin(folder, family))
        base = work / f"{family}-lora" / "base"
        said = [steered(folder, edit) for edit in (None, *edits)]
        found = _vllm(work, base, [None, *outs])
        rows = [_compared(one, other) for one, other in zip(found, said, strict=True)]
        plain, same = rows[0][0], all(row[2] for row in rows)
        yield "vLLM, lora", family, max(row[0] for row in rows[1:]), plain, same


def in_transformers(work: Path) -> Iterator[Row]:
    """Checkpoints, and adapters with PEFT."""
    every = tuple(range(DEPTH))
    for family in FAMILIES:
        folder, edit = random_model(family, work / family), edit_at(every, WIDTH, 2.0)
        export(edit, work / f"{family}-folded", "folded", origin(folder, family))
        found = _said(AutoModelForCausalLM.from_pretrained(work / f"{family}-folded"))
        yield "transformers, folded", family, *_compared(found, steered(folder, edit))
        if family in LORA:
            export(edit, work / f"{family}-lora" / "one", "lora", origin(folder, family))
            base = AutoModelForCausalLM.from_pretrained(work / f"{family}-lora" / "base")
            adapted = PeftModel.from_pretrained(base, str(work / f"{family}-lora" / "one"))
            yield "PEFT, lora", family, *_compared(_said(adapted), steered(folder, edit))


def _notebook_tool(engine: Engine, suffix: str) -> Callable[[Path], Iterator[Row]]:
    def run(work: Path) -> Iterator[Row]:
        python = python_of(engine)
        (work / "told.json").write_text(json.dumps({"prompt": PROMPT, "steps": STEPS}))
        for family in FAMILIES:
            folder = random_model(family, work / family)
            edit = edit_at(tuple(range(DEPTH)), WIDTH, 2.0)
            vectors = work / f"{family}{suffix}"
            export(edit, vectors, engine.name, origin(folder, family))
            script, out = HERE / "in_notebook_tools.py", work / "out.json"
            words = [python, script, engine.name, folder, vectors, work / "told.json", out]
            _run([str(word) for word in words])
            found = json.loads(out.read_text())
            yield engine.name, family, *_compared(found, steered(folder, edit))

    return run


def real(model: str, work: Path) -> Iterator[Row]:
    """A real checkpoint in llama.cpp, in float32."""
    folder, gguf = Path(model), work / "real.gguf"
    config = AutoConfig.from_pretrained(folder)
    write_gguf(folder, gguf)
    layers = tuple(range(1, config.num_hidden_layers))
    edit = edit_at(layers, config.hidden_size, 0.02 * config.hidden_size**0.5)
    export(edit, work / "real-vector.gguf", "gguf", origin(folder, ""))
    prompt = (2, 818, 5279, 529, 7001, 563)
    plain, _ = llama_cpp.compare(steered(folder, None, prompt), prompt, gguf)
    said = steered(folder, edit, prompt)
    options = ("--control-vector", str(work / "real-vector.gguf"))
    yield (
        "llama.cpp, gguf",
        folder.name,
        *_swapped(llama_cpp.compare(said, prompt, gguf, *options), plain),
    )
    # In the checkpoint's own bfloat16 the edit would be rounded.
    wide, out = work / "real-float32", work / "real-folded"
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).save_pretrained(wide)
    export(edit, out, "folded", origin(wide, ""))
    found = _said(AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32), prompt)
    yield "transformers, folded", folder.name, *_compared(found, said)


def _swapped(found: tuple[float, bool], plain: float) -> tuple[float, float, bool]:
    return found[0], plain, found[1]


def _vllm(work: Path, model: Path, adapters: Sequence[Path | None]) -> list[dict[str, object]]:
    told = {
        "model": str(model),
        "prompt": PROMPT,
        "steps": STEPS,
        "adapters": [None if one is None else str(one) for one in adapters],
    }
    (work / "told.json").write_text(json.dumps(told))
    script, out = HERE / "in_vllm.py", work / "out.json"
    _run([str(python_of(VLLM)), str(script), str(work / "told.json"), str(out)])
    found: list[dict[str, object]] = json.loads(out.read_text())
    return found


def _run(command: list[str]) -> None:
    quiet = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        command, env={**os.environ, **quiet}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-3000:]}")


def _said(model: torch.nn.Module, prompt: Sequence[int] = PROMPT) -> dict[str, object]:
    ids, scores = list(prompt), []
    with torch.no_grad():
        for _ in range(STEPS):
            logits = model.eval()(input_ids=torch.tensor([ids])).logits[0, -1]
            scores.append(dict(enumerate(logits.log_softmax(-1).tolist())))
            ids.append(int(logits.argmax()))
    return {"tokens": ids[len(prompt) :], "scores": scores}


def _compared(found: dict[str, object], said: Said) -> tuple[float, float, bool]:
    """The difference, nothing for the unsteered model, and whether the tokens are the same."""
    steps: list[dict[str, float]] = found["scores"]  # type: ignore[assignment]
    worst = max(
        said.difference({int(token): score for token, score in step.items()}, number)
        for number, step in enumerate(steps)
    )
    return worst, 0.0, found["tokens"] == said.tokens


ENGINES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "transformers": in_transformers,
    "llama.cpp": in_llama_cpp,
    "steering-vectors": _notebook_tool(STEERING_VECTORS, ".pt"),
    "repeng": _notebook_tool(REPENG, ".gguf"),
    "vllm": in_vllm,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--real", metavar="MODEL", help="folder of Gemma 3 270M")
    options = parser.parse_args()
    failed = False
    print(f"{'engine, format':24} {'model':14} {'difference':>11} {'unsteered':>11}  tokens")
    for name in options.only:
        with TemporaryDirectory() as folder:
            rows = ENGINES[name](Path(folder))
            if name == "llama.cpp" and options.real:
                rows = (row for some in (rows, real(options.real, Path(folder))) for row in some)
            for engine, family, worst, plain, same in rows:
                said = "same" if same else "OTHER"
                print(f"{engine:24} {family:14} {worst:11.1e} {plain:11.1e}  {said}", flush=True)
                # What the engine rounds by itself is not the edit's.
                failed |= not same or worst > max(GOAL, 1.5 * plain)
    if failed:
        sys.exit("an engine does not compute what the steered model does")


if __name__ == "__main__":
    main()
