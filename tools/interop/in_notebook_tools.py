"""Runs in the environment of steering-vectors or repeng: what the model says with a file in force.

    python in_notebook_tools.py TOOL MODEL VECTORS TOLD.json OUT.json

The file is used as the tool's documentation shows. OUT: the tokens, and `{token: log-probability}`.
"""

# ruff: noqa: PLC0415 - each tool is only there in its own environment

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def main() -> None:
    tool, folder, vectors, told_in, out = sys.argv[1:]
    told = json.loads(Path(told_in).read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model, applied = {"steering-vectors": with_steering_vectors, "repeng": with_repeng}[tool](
        model, vectors
    )
    ids, scores = list(told["prompt"]), []
    with applied, torch.no_grad():
        for _ in range(told["steps"]):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            said = logits.log_softmax(-1).tolist()
            scores.append(dict(enumerate(said)))
            ids.append(int(logits.argmax()))
    tokens = ids[len(told["prompt"]) :]
    Path(out).write_text(json.dumps({"tokens": tokens, "scores": scores}))


def with_steering_vectors(model: Any, vectors: str) -> tuple[Any, AbstractContextManager[Any]]:
    from steering_vectors import SteeringVector

    held = torch.load(vectors, weights_only=True)
    return model, SteeringVector(held, "decoder_block").apply(model)


def with_repeng(model: Any, vectors: str) -> tuple[Any, AbstractContextManager[Any]]:
    from repeng import ControlModel, ControlVector

    vector = ControlVector.import_gguf(vectors)
    wrapped = ControlModel(model, sorted(vector.directions))
    wrapped.set_control(vector, 1.0)
    return wrapped, nullcontext()


if __name__ == "__main__":
    main()
