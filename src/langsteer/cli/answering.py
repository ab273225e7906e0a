"""Answer prompts in another language with a space: what ``langsteer generate`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.engines.transformers.generation import generate
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.source import source_languages
from langsteer.evaluation.runner import edit_for, templated
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.tags import choose, display_name


@dataclass(frozen=True)
class Request:
    """What to do with the prompts."""

    target: str
    source: str | None
    """The language of the unsteered answer; None: read it from the stream at each prompt's end."""
    point: OperatingPoint
    max_new_tokens: int = 128
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    chat: bool | None = None
    """Use the chat template; None: if the tokenizer has one."""
    compare: bool = False
    guard: bool = False
    """Steer only while the stream is not in the target language."""


@dataclass(frozen=True)
class Answer:
    """One steered answer, with the unsteered one if it was asked for."""

    prompt: str
    source: str
    target: str
    steered: str
    unsteered: str | None = None
    acted: float | None = None
    """With a guard: the share of the positions in scope that were edited."""

    def as_json(self) -> dict[str, Any]:
        """The fields that were filled."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def print(self, console: Console) -> None:
        """The answer, or both answers side by side."""
        if self.unsteered is None:
            console.print(Text(self.steered))
            self.print_guard(console)
            return
        table = Table(show_lines=True, expand=True)
        table.add_column(f"unsteered ({display_name(self.source)})", ratio=1)
        table.add_column(f"steered ({display_name(self.target)})", ratio=1)
        table.add_row(Text(self.unsteered.strip()), Text(self.steered.strip()))
        console.print(table)
        self.print_guard(console)

    def print_guard(self, console: Console) -> None:
        """How often the guard acted, if there was one."""
        if self.acted is not None:
            console.print(f"the guard acted at {100 * self.acted:.0f} % of the positions in scope")


def answer(
    loaded: Model,
    space: Space,
    prompts: Sequence[str],
    request: Request,
    on_text: Callable[[str], None] | None = None,
) -> list[Answer]:
    """Answer every prompt; they share batches, each with its own source language.

    A prompt whose source language is the target already is answered by the unsteered model.

    Args:
        loaded: The model, which the space must fit.
        space: Where its languages lie.
        prompts: What to answer.
        request: In which language and how.
        on_text: Called with every new piece of text of a single prompt.

    Raises:
        LanguageError: A language is not in the space.
        SteeringError: A prompt is empty, or longer than the context.
    """
    target = choose(request.target, space.languages)
    texts = [templated(loaded, prompt, request.chat) for prompt in prompts]
    sources = _sources(loaded, space, request, texts)
    edits = [_edit(space, request, source, target) for source in sources]

    def run(rows: Sequence[Any] | None, show: Callable[[str], None] | None) -> list[str]:
        return generate(
            loaded.stream,
            loaded.tokenizer,
            texts,
            rows,
            max_new_tokens=request.max_new_tokens,
            do_sample=request.sample,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            on_text=show,
        )

    steered = run(edits, on_text)
    unsteered = run(None, None) if request.compare else [None] * len(texts)
    rows = zip(prompts, sources, steered, unsteered, edits, strict=True)
    return [
        Answer(prompt, source, target, new, old, _acted(edit))
        for prompt, source, new, old, edit in rows
    ]


def _edit(space: Space, request: Request, source: str, target: str) -> Edit | None:
    if source == target:
        return None
    point = request.point.of(source, target)
    edit = edit_for(space, point, source, target)
    if not request.guard:
        return edit
    return replace(edit, guard=Guard.of(space.statistics, target, min(point.layers)))


def _acted(edit: Edit | None) -> float | None:
    if edit is None or edit.guard is None:
        return None
    tally = edit.guard.tally
    return tally.acted / tally.selected if tally.selected else 0.0


def _sources(loaded: Model, space: Space, request: Request, texts: Sequence[str]) -> list[str]:
    """The language in which each prompt would be answered: as stated, or as the stream says."""
    if request.source is not None:
        return [choose(request.source, space.languages)] * len(texts)
    layer = min(request.point.layers)
    return source_languages(loaded.stream, loaded.tokenizer, texts, space, layer)
