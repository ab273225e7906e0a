"""Runs in the environment of concept-erasure: latents and labels in, erasers and editors out.

    python call_erasure.py HEADER.json IN.safetensors OUT.safetensors

For each key of latents ``[n, d]`` with labels ``[n]``: the least-squares eraser (LEACE), and the
transport between each two classes (its quadratic editor).
"""

import json
import sys
from pathlib import Path

import torch
from concept_erasure import LeaceFitter, QuadraticFitter
from safetensors.torch import load_file, save_file


def main() -> None:
    told, given, found = map(Path, sys.argv[1:])
    header = json.loads(told.read_text(encoding="utf-8"))
    tensors, made = load_file(given), {}
    for key in header["keys"]:
        x, labels = tensors[f"{key}:latents"].double(), tensors[f"{key}:labels"]
        classes = int(labels.max()) + 1
        one_hot = torch.nn.functional.one_hot(labels, classes).double()
        eraser = LeaceFitter.fit(x, one_hot).eraser
        made[f"{key}:left"] = eraser.proj_left
        made[f"{key}:right"] = eraser.proj_right
        made[f"{key}:bias"] = eraser.bias
        editor = QuadraticFitter.fit(x, labels).editor()
        made[f"{key}:maps"] = editor.ot_maps
        made[f"{key}:means"] = editor.class_means
    save_file({name: tensor.float().contiguous() for name, tensor in made.items()}, found)


if __name__ == "__main__":
    main()
