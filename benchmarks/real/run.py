"""Every way of changing the output language, on a real model: one command a model.

    python benchmarks/real/run.py MODEL [--corpus FOLDER] [--tasks words,continuation]
        [--conditions ceiling,unsteered,difference,trained] [--results cells.jsonl]
        [--items 132] [--steps 100] [--minutes 20]

FOLDER holds parallel news (see texts.py). Everything is fitted, tuned and trained on documents and
words other than those of the test. With --results each cell is written down as soon as it is
measured, with every answer, and not measured again; with --minutes no cell is begun after so long.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import chat_task
import confusion_task
import continuation
import cost_task
import word_task
from chatting import CHAT
from texts import PAIRS, News

from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.encoding import encode, encode_following
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.aggregate import Estimate
from langsteer.fitting.reading import Reading
from langsteer.training import TrainingOptions
from langsteer.training.examples import ParallelText, read_texts
from methods import Prepared, Setting, closed, prepare
from plain_text import apart

CONDITIONS = (
    "ceiling", "unsteered", "prompted-english", "prompted-target", "random", "difference", "mean",
    "exchange", "erasure", "transport", "trained",
)  # fmt: skip
FITTED = 400
"""Texts of each language that statistics are made of."""
FITTED_CHAT = 100
"""The same for a chat model."""
ASKED = 60
"""Words in a language each that statistics of the prompts are made of; training takes twice that.
"""
CHATTED = 30
"""Texts of each language that a chat model is trained to answer, besides questions."""
DEV = 44


@dataclass(frozen=True)
class Task:
    """What is asked, how it is scored, and what conditions are made from."""

    items: Sequence[Any]
    measure: Callable[..., list[dict[str, Any]]]
    summary: Callable[..., dict[str, Estimate]]
    setting: Setting


def continuation_task(model: Model, news: News, count: int, steps: int) -> Task:
    """Documents that go on in another language."""
    options = TrainingOptions(steps=steps, max_prompt=48, max_continuation=20)
    dev = read_texts(model, news.corpus("dev"), options)
    setting = Setting(
        model, news.corpus("train", FITTED), Reading(), dev.examples(dev.order, PAIRS, DEV),
        news.corpus("train"), options,
    )  # fmt: skip
    return Task(news.items("test", count), continuation.measure, continuation.summary, setting)


def cost_task_of(model: Model, news: News, count: int, steps: int) -> Task:
    """The same, where the text is in the target language already."""
    other = continuation_task(model, news, count, steps)
    return Task(cost_task.items(news, count), cost_task.measure, cost_task.summary, other.setting)


def plain_text_task(model: Model, news: News, count: int, steps: int) -> Task:
    """Documents that go on in another language, with nothing but plain text to learn from."""
    other = continuation_task(model, news, count, steps)
    texts = apart(news.corpus("train"), news.documents)
    setting = replace(other.setting, fitted=texts, trained=texts)
    return replace(other, setting=setting)


def words_task(model: Model, _: News | None, count: int, steps: int) -> Task:
    """Words after four examples."""
    options = TrainingOptions(
        steps=steps, continuation="own", separator="", max_prompt=160, max_continuation=6
    )
    dev = [
        ParallelText(
            (one.source, one.target),
            one.word.concept,
            tuple(encode(model.tokenizer, one.prompt(one.source))),
            tuple(encode(model.tokenizer, one.prompt(one.target))),
            tuple(encode_following(model.tokenizer, one.word.names[one.target] + '"')),
        )
        for one in word_task.items("dev", DEV)
    ]
    fitted, trained = word_task.corpus("train", ASKED), word_task.corpus("train", 2 * ASKED)
    setting = Setting(model, fitted, Reading(pooling="last"), dev, trained, options)
    return Task(word_task.items("test", count), word_task.measure, word_task.summary, setting)


def chat_task_of(model: Model, news: News, count: int, steps: int) -> Task:
    """Questions to a chat model, whose answers are wanted in another language."""
    options = TrainingOptions(
        steps=steps, continuation="own", chat=CHAT, max_prompt=96, max_continuation=24
    )
    dev = read_texts(model, chat_task.corpus("dev"), options)
    said = chat_task.corpus("train")
    texts = Corpus((*said.texts, *news.corpus("train", CHATTED).texts), "questions-and-news")
    reading = Reading(chat="user", pooling="tokens")
    examples = dev.examples(dev.order, PAIRS, DEV)
    fitted = news.corpus("train", FITTED_CHAT)
    setting = Setting(model, fitted, reading, examples, texts, options)
    setting.chat = CHAT
    return Task(chat_task.items("test", count), chat_task.measure, chat_task.summary, setting)


def confusion_task_of(model: Model, news: News, count: int, steps: int) -> Task:
    """Questions about a text in another language, with what was made for `chat`."""
    other = chat_task_of(model, news, count, steps)
    return Task(
        confusion_task.items(news, count),
        confusion_task.measure,
        confusion_task.summary,
        other.setting,
    )


TASKS: dict[str, Callable[[Model, Any, int, int], Task]] = {
    "continuation": continuation_task,
    "plain": plain_text_task,
    "cost": cost_task_of,
    "words": words_task,
    "chat": chat_task_of,
    "confusion": confusion_task_of,
}


def main() -> None:
    """Measure what was asked for, and print one table a task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--corpus", type=Path, help="the news; not needed for words")
    parser.add_argument("--tasks", default="words,continuation")
    parser.add_argument("--conditions", default=",".join(CONDITIONS))
    parser.add_argument("--results", type=Path)
    parser.add_argument("--items", type=int, default=len(PAIRS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=TrainingOptions().batch)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument(
        "--spaces", type=Path, help="where trained spaces are written, and taken from if there"
    )
    parser.add_argument("--dtype", default="bfloat16")
    given = parser.parse_args()
    tasks = given.tasks.split(",")
    if given.corpus is None and tasks != ["words"]:
        parser.error("give the folder of the news with --corpus, or ask for --tasks words")
    began = time.monotonic()
    news = None if given.corpus is None else News.read(given.corpus)
    model = Model.from_pretrained(given.model, dtype=given.dtype)
    for name in tasks:
        task = TASKS[name](model, news, given.items, given.steps)
        task.setting.spaces = given.spaces
        task.setting.training = replace(task.setting.training, batch=given.batch)
        task.setting.estimators = closed(given.conditions.split(","))
        print(f"\n{name}, {Path(given.model).name}, {len(task.items)} items\n", flush=True)
        for condition in given.conditions.split(","):
            key = {"model": Path(given.model).name, "task": name, "condition": condition,
                   "items": given.items, "steps": given.steps}  # fmt: skip
            cell = known(given.results, key)
            if cell is None and time.monotonic() - began < 60 * given.minutes:
                cell = {**key, **run(task, condition)}
                write(given.results, cell)
            if cell is not None:
                print(row(condition, cell, task.summary(cell["outcomes"])), flush=True)


def run(task: Task, condition: str) -> dict[str, Any]:
    """Prepare a condition and measure it on every item."""
    began = time.perf_counter()
    prepared: Prepared = prepare(condition, task.setting)
    ready = time.perf_counter()
    outcomes = task.measure(task.setting.model, task.items, prepared.steered)
    return {
        "chosen": prepared.chosen,
        "preparing": round(ready - began, 1),
        "measuring": round(time.perf_counter() - ready, 1),
        "outcomes": outcomes,
    }


def known(path: Path | None, key: dict[str, Any]) -> dict[str, Any] | None:
    """The cell of this key, if it was written down."""
    if path is None or not path.exists():
        return None
    cells = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return next(
        (one for one in cells if all(one[name] == value for name, value in key.items())), None
    )


def write(path: Path | None, cell: dict[str, Any]) -> None:
    """Add a cell."""
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(cell, ensure_ascii=False) + "\n")


def row(condition: str, cell: dict[str, Any], found: dict[str, Estimate]) -> str:
    """One line of a table: the numbers with their 95 % intervals."""
    numbers = "; ".join(f"{name} {estimate}" for name, estimate in found.items())
    return f"{condition:18} {numbers}  [{cell['chosen']}; {cell['preparing']} s]"


if __name__ == "__main__":
    main()
