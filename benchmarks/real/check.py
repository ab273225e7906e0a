"""A short check on a real model: words are steered to another language, and nothing else was done.

    python benchmarks/real/check.py MODEL

Fits the difference of means on prompts that translate words, at layer 8 or near it, and steers
other words. Fails unless clearly more words come out right than without. Needs no other texts.
"""

from __future__ import annotations

import sys

import word_task
from conditions import Change

from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint

ITEMS = 66
SHARE_OF_DEPTH = 8 / 17
GAIN = 0.3


def main() -> int:
    """Print both shares; 1 if the gain is too small."""
    model = Model.from_pretrained(sys.argv[1], dtype="bfloat16")
    layer = round(SHARE_OF_DEPTH * (model.depth - 1))
    space = fit(model, word_task.corpus("train"), Reading(layers=(layer,), pooling="last"))
    point = OperatingPoint((layer,))
    asked = word_task.items("test", ITEMS)
    ways = {
        "unsteered": lambda source, target: None,
        "steered": lambda source, target: Change(space.edit(source, target, point=point)),
    }
    found = {}
    for name, way in ways.items():
        found[name] = word_task.summary(word_task.measure(model, asked, way))["right word"]
        print(f"{name}: right word in the wanted language {found[name]}", flush=True)
    if found["steered"].value < found["unsteered"].value + GAIN:
        print(f"steering gains less than {GAIN:.0%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
