"""Which edit a request asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import torch

from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard, GuardStats
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.source import source_languages
from langsteer.errors import LangsteerError, LanguageError, SteeringError
from langsteer.serving.requests import SteeringFields
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.tags import choose

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model

DRIFTS = ("en", "zh")
"""What models drift into. A guard that told a language from its neighbours, too, would act on right
answers: Portuguese is hard to tell from Spanish token by token."""


class UnknownNameError(LangsteerError):
    """A model or a space of that name is not served."""


@dataclass
class Served:
    """A model by its name, and spaces by theirs; the first space is used where none is named."""

    model: Model
    name: str
    spaces: dict[str, Space] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def load(self, name: str, folder: Path) -> Space:
        """Load a space of that name from the folder, or again.

        Raises:
            UnknownNameError: there is none of that name.
            SpaceError: it cannot be read, or does not fit the model.
        """
        files = {file.stem: file for file in sorted(folder.glob("*.safetensors"))}
        if name not in files:
            raise UnknownNameError(
                f"there is no space {name[:60]!r}. There are: {', '.join(files) or 'none'}."
            )
        space = Space.load(files[name])
        space.check(self.model)
        with self._lock:
            self.spaces = {**self.spaces, name: space}
        return space

    def unload(self, name: str) -> None:
        """Forget a space; requests that use it go on. UnknownNameError if it isn't there."""
        with self._lock:
            self._known(name)
            self.spaces = {key: one for key, one in self.spaces.items() if key != name}

    def languages(self) -> tuple[str, ...]:
        """All languages of all spaces."""
        return tuple(
            dict.fromkeys(one for space in self.spaces.values() for one in space.languages)
        )

    def space(self, name: str | None) -> Space:
        """The space of that name, or the first. UnknownNameError if it isn't there."""
        spaces = self.spaces
        if name is None:
            if not spaces:
                raise UnknownNameError("no space is loaded, so no language can be asked for.")
            return next(iter(spaces.values()))
        return self._known(name)

    def _known(self, name: str) -> Space:
        if name not in self.spaces:
            raise UnknownNameError(
                f"there is no space {name[:60]!r}. Loaded are: {', '.join(self.spaces) or 'none'}."
            )
        return self.spaces[name]


@dataclass(frozen=True)
class Wanted:
    """The language of an answer, and what makes its edit once the prompt can be read."""

    language: str | None
    resolve: Callable[[], Edit | None] | None
    guard: GuardStats | None = None
    """What the guard did, if there is one: filled when the answer is over."""


def wanted(
    served: Served, request: SteeringFields, prompt: Rendered, spoken: str | None, *, keep: bool
) -> Wanted:
    """What a request asks for.

    Args:
        served: the model with its spaces.
        request: its body.
        prompt: the prompt as tokens.
        spoken: the language of the user's last message, as far as its text shows it.
        keep: whether an answer keeps that language where the request names none.

    Raises:
        UnknownNameError: the model or a space is not served.
        LanguageError: a language is not in the space; the message names those that are.
        SteeringError: fields that contradict each other.
    """
    language = _language(served, request)
    keeping = request.keep_language if request.keep_language is not None else keep
    if language is not None and request.keep_language:
        raise SteeringError("language and keep_language contradict each other; give one of them")
    if language is None and not keeping:
        if request.source is not None or request.guard:
            raise SteeringError("source and guard need a language to steer to; add language")
        return Wanted(None, None)
    space = served.space(request.space)
    if language is None:
        return _kept(space, request, spoken)
    goal = choose(language, space.languages)
    source = None if request.source is None else choose(request.source, space.languages)
    stats = GuardStats() if request.guard else None

    def resolve() -> Edit | None:
        point = _point(space, request)
        origin = source
        if origin is None:
            at = min(point.layers)
            (origin,) = source_languages(served.model, [prompt], space, at)
        if origin == goal:
            return None
        edit = space.edit(origin, goal, point=point, guard=stats is not None)
        return _counted(edit, stats)

    return Wanted(goal, resolve, stats)


def _language(served: Served, request: SteeringFields) -> str | None:
    """The language that a request names, in a field of its own or with the model."""
    name, mark, tag = request.model.rpartition(":")
    if request.model == served.name:
        return request.language
    if not mark or name != served.name:
        languages = served.languages()
        known = [served.name, *(f"{served.name}:{one}" for one in languages[:3])]
        raise UnknownNameError(
            f"there is no model {request.model[:60]!r}. There are: {', '.join(known)}"
            f"{' …' if len(languages) > 3 else ''}."
        )
    if request.language is not None and request.language != tag:
        raise SteeringError(
            f"the model names the language {tag[:20]!r} and the request {request.language[:20]!r}; "
            "give one of them"
        )
    return tag


def _kept(space: Space, request: SteeringFields, spoken: str | None) -> Wanted:
    """Keep to the language of the user's last message: a guard that acts only when it drifts."""
    try:
        goal = None if spoken is None else choose(spoken, space.languages)
    except LanguageError:
        goal = None
    if goal is None:
        return Wanted(None, None)
    stats = GuardStats()

    def resolve() -> Edit | None:
        return _counted(keeping(space, goal, _point(space, request)), stats)

    return Wanted(goal, resolve, stats)


def keeping(space: Space, language: str, point: OperatingPoint) -> Edit:
    """The edit that keeps answers in a language, at the place and strength of a point.

    It adds the language's mean less that of those that models drift into (of all others, if the
    space has none of them), at one layer, and only while the guard reads one of these.
    """
    layer = min(point.layers)
    drifts = [one for one in space.languages if one in DRIFTS and one != language]
    others = drifts or [one for one in space.languages if one != language]
    away = torch.stack([space.mean(one, layer) for one in others]).mean(0)
    return Edit(
        {layer: Shift((space.mean(language, layer) - away).float())},
        point.strength,
        Scope.parse(point.scope),
        guard=Guard.of(space.statistics, language, layer, others=others),
    )


def _point(space: Space, request: SteeringFields) -> OperatingPoint:
    point = space.operating_point or space.default_point()
    if request.strength is None:
        return point
    return replace(point, strength=request.strength, pairs=())


def _counted(edit: Edit, stats: GuardStats | None) -> Edit:
    """The edit with a guard that counts for this request alone."""
    if stats is None or edit.guard is None:
        return edit
    return replace(edit, guard=replace(edit.guard, stats=stats))
