"""What a guard leaves alone, what it still steers, and how the source language is found.

On the embedded model, for means of all tokens and of last tokens. *Untouched*: prompts in each
language with edits towards that very language, from each other language in turn; how many answers
are those of the unsteered model. *Steered*: prompts of all pairs of languages, with the guard and
without. *Source*: in which language a prompt would be answered, read from the stream and by the
detector from its text. The readout was chosen on the split `tune`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from atlas.texts import plain_corpus
from langsteer.data.prompts import Prompt, PromptSet
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.engines.transformers.chat import ChatOptions, render
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.source import source_languages
from langsteer.evaluation.cases import Case, cases, ordered_pairs
from langsteer.evaluation.judge import Judge
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.statistics.pooling import Pooling
from langsteer.text.detect import default_detector

NEW = 24


def answers(loaded: Model, asked: Sequence[Prompt], edits: Sequence[Edit | None]) -> list[str]:
    return loaded.generate(
        [prompt.text for prompt in asked],
        edits,
        Generation(max_new_tokens=NEW),
        stop=[prompt.stop for prompt in asked],
    )


def guarded(space: Space, point: OperatingPoint, source: str, target: str) -> Edit:
    guard = Guard.of(space.statistics, target, min(point.layers))
    return replace(space.edit(source, target, point=point), guard=guard)


def untouched(loaded: Model, space: Space, point: OperatingPoint, asked: PromptSet) -> None:
    """Edits towards the language that a prompt is answered in anyway."""
    rows, languages = asked.prompts, space.languages
    edits = []
    for number, prompt in enumerate(rows):
        others = [language for language in languages if language != prompt.language]
        source = others[number % len(others)]
        edits.append(guarded(space, point, source, prompt.language))
    plain = answers(loaded, rows, [None] * len(rows))
    found = answers(loaded, rows, edits)
    always = answers(loaded, rows, [replace(edit, guard=None) for edit in edits])
    same = sum(a == b for a, b in zip(plain, found, strict=True))
    idle = sum(edit.guard is not None and edit.guard.stats.acted == 0 for edit in edits)
    bare = sum(a == b for a, b in zip(plain, always, strict=True))
    print(
        f"  untouched: {same} of {len(rows)} (never acted: {idle}); without the guard {bare}",
        flush=True,
    )


def steered(
    loaded: Model, space: Space, point: OperatingPoint, asked: PromptSet, todo: Sequence[Case]
) -> None:
    """Edits towards another language, with the guard and without."""
    rows = [case.prompt for case in todo]
    with_guard = [guarded(space, point, case.source, case.target) for case in todo]
    judge = Judge(asked, default_detector(space.languages))
    for name, edits in (
        ("without", [replace(edit, guard=None) for edit in with_guard]),
        ("with", with_guard),
    ):
        said = answers(loaded, rows, edits)
        verdicts = judge.verdicts(
            [
                (case.prompt, case.target, case.prompt.answer(text))
                for case, text in zip(todo, said, strict=True)
            ]
        )
        language = sum(one.language_right for one in verdicts)
        meaning = sum(bool(one.meaning_right) for one in verdicts)
        both = sum(bool(one.language_right and one.meaning_right) for one in verdicts)
        print(
            f"  {name} guard: language {language / len(todo):.3f}, meaning "
            f"{meaning / len(todo):.3f}, both {both / len(todo):.3f} of {len(todo)}",
            flush=True,
        )
    tallies = [edit.guard.stats for edit in with_guard if edit.guard is not None]
    acted, selected = sum(t.acted for t in tallies), sum(t.selected for t in tallies)
    print(f"  the guard let the edit act at {acted / selected:.3f} of the positions", flush=True)


def sources(loaded: Model, space: Space, layer: int, asked: PromptSet) -> None:
    rows = asked.prompts
    detector = default_detector(space.languages)
    rendered = [render(loaded.tokenizer, prompt.text, ChatOptions()) for prompt in rows]
    read = source_languages(loaded, rendered, space, layer)
    seen = [detector.detect(prompt.text).language for prompt in rows]
    for name, found in (("stream", read), ("detector", seen)):
        right = [prompt.language == one for prompt, one in zip(rows, found, strict=True)]
        hits = Counter(prompt.language for ok, prompt in zip(right, rows, strict=True) if ok)
        by_language = ", ".join(f"{language} {hits[language]}" for language in space.languages)
        print(
            f"  source by {name}: {sum(right)} of {len(rows)} ({by_language}; of "
            f"{len(rows) // len(space.languages)} each)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=["tune", "test"], default="tune")
    parser.add_argument("--per-language", type=int, default=10, help="prompts of each family")
    parser.add_argument("--pairs", type=int, default=2, help="prompts of each pair")
    parser.add_argument(
        "--pooling", choices=["tokens", "last"], nargs="*", default=["tokens", "last"]
    )
    parser.add_argument("--plain", action="store_true", help="fit on plain text")
    parser.add_argument("--layer", type=int, default=3)
    parser.add_argument("--scope", nargs="*", default=["all"])
    given = parser.parse_args()
    loaded = Model.from_pretrained(str(MODEL))
    asked = prompts(given.split, given.per_language)
    corpus = plain_corpus() if given.plain else matching_corpus()
    every = cases(asked, ordered_pairs(corpus.languages))
    count: dict[tuple[str, str], int] = {}
    todo = []
    for case in sorted(every, key=lambda case: (case.prompt.text, case.target)):
        pair = (case.source, case.target)
        count[pair] = count.get(pair, 0) + 1
        if count[pair] <= given.pairs:
            todo.append(case)
    pooling: Pooling
    for pooling in given.pooling:
        space = fit(loaded, corpus, Reading(layers=[given.layer], pooling=pooling))
        print(f"means of {pooling}, block {given.layer}, split {given.split}", flush=True)
        sources(loaded, space, given.layer, asked)
        for scope in given.scope:
            point = OperatingPoint((given.layer,), 1.0, scope)
            print(f" scope {scope}", flush=True)
            untouched(loaded, space, point, asked)
            steered(loaded, space, point, asked, todo)


if __name__ == "__main__":
    main()
