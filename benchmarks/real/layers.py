"""Probability of the source word, the target word and the English word by layer of intervention.

    python benchmarks/real/layers.py MODEL [--figure docs/figures/real-words.png]

Prompts ask, after four examples, for a word in one language; the difference of means steers at one
layer at a time to another, neither of them English. Prints a table: unsteered, asked in the target
language, and steered at each layer. After the figure of Wendler et al. (2024, arXiv:2402.10588),
where words are read out at each layer; here each layer is edited and the output is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import word_task
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from word_task import WordItem

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.encoding import encode
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint

ITEMS = 264
FITTED = 60
NAMES = ("source", "target", "English")


@dataclass(frozen=True)
class Row:
    """An item with the first tokens of its word in the source language, the target and English."""

    item: WordItem
    tokens: tuple[int, int, int]


def main() -> None:
    """Print the table, and draw it if that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--scope", default="prompt")
    given = parser.parse_args()
    model = Model.from_pretrained(given.model, dtype="bfloat16")
    space = fit(model, word_task.corpus("train", FITTED), Reading(pooling="last"))
    rows = told_apart(model, word_task.items("test", ITEMS))
    print(f"{len(rows)} words\n\n| layer | " + " | ".join(NAMES) + " |\n|---|---|---|---|")
    nothing: list[Edit | None] = [None] * len(rows)
    plain = probabilities(model, rows, nothing)
    print(line("unsteered", plain))
    print(line("asked for the target", probabilities(model, rows, nothing, asked=True)))
    steered = []
    for layer in range(model.depth):
        point = OperatingPoint((layer,), 1.0, given.scope, "difference")
        edits = [space.edit(row.item.source, row.item.target, point=point) for row in rows]
        steered.append(probabilities(model, rows, edits))
        print(line(str(layer), steered[-1]), flush=True)
    if given.figure is not None:
        draw(given.figure, torch.stack(steered), plain, Path(given.model).name)


def told_apart(model: Model, items: Sequence[WordItem]) -> list[Row]:
    """The items without English whose three words begin with three different tokens."""
    rows = []
    for item in items:
        if "en" in (item.source, item.target, item.given):
            continue
        prompt = item.prompt(item.source)
        length = len(encode(model.tokenizer, prompt))
        first = [
            encode(model.tokenizer, prompt + item.word.names[language])[length]
            for language in (item.source, item.target, "en")
        ]
        if len(set(first)) == len(first):
            rows.append(Row(item, (first[0], first[1], first[2])))
    return rows


@torch.no_grad()
def probabilities(
    model: Model, rows: Sequence[Row], edits: Sequence[Edit | None], *, asked: bool = False
) -> Tensor:
    """`[3]`: the mean probabilities of the three words; `asked`: for the target itself."""
    found = torch.zeros(3, dtype=torch.float64)
    for row, edit in zip(rows, edits, strict=True):
        said = row.item.prompt(row.item.target if asked else row.item.source)
        ids = torch.tensor([encode(model.tokenizer, said)])
        if edit is None:
            logits = model.hf(ids, logits_to_keep=1).logits
        else:
            with model.steered(edit):
                logits = model.hf(ids, logits_to_keep=1).logits
        found += logits[0, -1].double().softmax(-1)[list(row.tokens)]
    return found / len(rows)


def line(name: str, values: Tensor) -> str:
    """A row of the table."""
    return f"| {name} | " + " | ".join(f"{100 * one:.1f}" for one in values.tolist()) + " |"


def apart(values: Sequence[float], least: float) -> list[float]:
    """The values, from the smallest up moved so far that each is at least so far from the last."""
    found, last = list(values), -least
    for place in sorted(range(len(values)), key=lambda place: values[place]):
        found[place] = last = max(values[place], last + least)
    return found


def draw(path: Path, steered: Tensor, plain: Tensor, name: str) -> None:
    """Three lines over the layers, and where each would be unsteered."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    heights = apart(steered[-1].tolist(), 0.06 * float(steered.max()))
    for column, (label, colour) in enumerate(
        zip(NAMES, ("#8a8f98", "#0b6bcb", "#c2571a"), strict=True)
    ):
        axes.plot(steered[:, column], color=colour, marker="o", markersize=3.5)
        axes.axhline(float(plain[column]), color=colour, linestyle=":", linewidth=1)
        axes.annotate(
            f"{label} word",
            (len(steered) - 1, heights[column]),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
    axes.set_xlabel("layer at which the difference is added (dotted: unsteered)")
    axes.set_ylabel("mean probability")
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"Words after four examples, {name}", loc="left", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")


if __name__ == "__main__":
    main()
