"""Answer prompts in another language with a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langsteer.edits.edit import Edit
from langsteer.edits.guard import GuardStats
from langsteer.engines.transformers.chat import ChatOptions, Messages, Rendered, render
from langsteer.engines.transformers.generation import Events, Generation, generate
from langsteer.engines.transformers.source import source_languages
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.tags import choose

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model


@dataclass(frozen=True)
class AnswerOptions:
    """How prompts are answered in another language.

    `source` is the language of the unsteered answer; None: read from the user's own words in each
    prompt. `point` defaults to the space's operating point. With `guard` the edit acts only while
    the model is not in the target language. With `compare` the unsteered model answers, too.
    """

    source: str | None = None
    point: OperatingPoint | None = None
    generation: Generation = field(default_factory=Generation)
    chat: ChatOptions = field(default_factory=ChatOptions)
    guard: bool = False
    compare: bool = False


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


def answer_in(
    model: Model,
    space: Space,
    prompts: Sequence[str | Messages],
    target: str,
    options: AnswerOptions = AnswerOptions(),
    *,
    events: Events = Events(),
) -> list[Answer]:
    """Answer every prompt; they share batches, each with its own source language.

    A prompt whose source language is the target already is answered by the unsteered model.

    Args:
        model: the model, which the space must fit.
        space: where its languages lie.
        prompts: texts, or conversations.
        target: the language to answer in.
        options: how.
        events: what to call on the way, for the steered answers.

    Raises:
        LanguageError: a language is not in the space.
        SteeringError: a prompt is empty, longer than the context, or refused by the template.
    """
    goal = choose(target, space.languages)
    rendered = [render(model.tokenizer, prompt, options.chat) for prompt in prompts]
    sources = _sources(model, space, rendered, options)
    edits: dict[str, Edit | None] = {goal: None}
    for source in sources:
        if source not in edits:
            edits[source] = space.edit(source, goal, point=options.point, guard=options.guard)
    rows = [_counted(edits[source]) for source in sources]
    steered = generate(model, rendered, rows, options.generation, events=events)
    unsteered: Sequence[str | None] = [None] * len(rendered)
    if options.compare:
        unsteered = generate(model, rendered, None, options.generation)
    return [
        Answer(prompt.text, source, goal, new, old, _acted(edit))
        for prompt, source, new, old, edit in zip(
            rendered, sources, steered, unsteered, rows, strict=True
        )
    ]


def _counted(edit: Edit | None) -> Edit | None:
    """The edit with a guard that counts for one prompt alone."""
    if edit is None or edit.guard is None:
        return edit
    return replace(edit, guard=replace(edit.guard, stats=GuardStats()))


def _acted(edit: Edit | None) -> float | None:
    if edit is None or edit.guard is None:
        return None
    stats = edit.guard.stats
    return stats.acted / stats.selected if stats.selected else 0.0


def _sources(
    model: Model, space: Space, prompts: Sequence[Rendered], options: AnswerOptions
) -> list[str]:
    """The language in which each prompt would be answered: as stated, or as its words say."""
    if options.source is not None:
        return [choose(options.source, space.languages)] * len(prompts)
    point = options.point or space.operating_point or space.default_point()
    return source_languages(model, prompts, space, min(point.layers))
