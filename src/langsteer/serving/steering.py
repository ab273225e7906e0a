"""Which edit a request asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from langsteer.edits.edit import Edit
from langsteer.edits.guard import GuardStats
from langsteer.engines.transformers.chat import ChatOptions, Rendered, render
from langsteer.engines.transformers.thinking import thinking_at_end
from langsteer.errors import LangsteerError, SteeringError
from langsteer.serving.jobs import PromptReading, Resolve
from langsteer.serving.keeping import Heard, Keeper, detection, heard
from langsteer.serving.requests import SteeringFields
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.tags import choose

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model


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
    """The language of an answer, and what makes its edit: see `Job`."""

    goal: str | None = None
    resolve: Resolve | None = None
    origin: PromptReading | None = None
    keeper: Keeper | None = None
    guard: GuardStats | None = None
    """What the guard did, if there is one: filled when the answer is over."""

    @property
    def language(self) -> str | None:
        """The language to answer in, as far as it is known by now."""
        return self.goal if self.keeper is None else self.keeper.language


def wanted(
    served: Served,
    request: SteeringFields,
    prompt: Rendered,
    said: Sequence[str],
    *,
    keep: bool,
) -> Wanted:
    """What a request asks for.

    Args:
        served: the model with its spaces.
        request: its body.
        prompt: the prompt as tokens.
        said: the user's messages; empty for a text to be continued.
        keep: whether an answer keeps the language of these where the request names none.

    Raises:
        UnknownNameError: the model or a space is not served.
        LanguageError: a language is not in the space; the message names those that are.
        SteeringError: fields that contradict each other.
    """
    language = _language(served, request)
    keeping = request.keep_language if request.keep_language is not None else keep
    if language is not None and request.keep_language:
        raise SteeringError("language and keep_language contradict each other; give one of them")
    if request.keep_language and not said:
        raise SteeringError("keep_language needs a message of the user, whose language is kept")
    if language is None and not keeping:
        if request.source is not None or request.guard:
            raise SteeringError("source and guard need a language to steer to; add language")
        return Wanted()
    if language is None and not (request.keep_language or served.spaces):
        return Wanted()  # what the server keeps by itself waits for a space
    space = served.space(request.space)
    if language is None:
        return _kept(served, space, request, prompt, said)
    goal = choose(language, space.languages)
    point = _point(space, request)
    stats = GuardStats() if request.guard else None

    def resolve(source: str | None) -> Edit | None:
        if source == goal:
            return None
        return _counted(space.edit(source, goal, point=point, guard=stats is not None), stats)

    if request.source is None:
        return Wanted(goal, resolve, PromptReading(prompt, space, min(point.layers)), guard=stats)
    source = choose(request.source, space.languages)
    return Wanted(goal, lambda _: resolve(source), guard=stats)


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


def _kept(
    served: Served, space: Space, request: SteeringFields, prompt: Rendered, said: Sequence[str]
) -> Wanted:
    """Keep to the language of the user's last message that has words.

    A short message is often a word away from being in another language. Where its text leaves
    doubt, the model's own hidden states decide. A message in a language that the space does not
    have is answered as it is.
    """
    languages, point = space.languages, _point(space, request)
    told = ((text, heard(text, languages)) for text in reversed(said))
    text, found = next((one for one in told if one[1] is not Heard.NOTHING), ("", Heard.ANOTHER))
    if found is Heard.ANOTHER:
        return Wanted()

    def edit(source: str, goal: str, strength: float) -> Edit:
        found = space.edit(source, goal, point=point)
        return found.at(strength=found.strength * strength)

    goal = found if isinstance(found, str) else None
    thinking = thinking_at_end(served.model.tokenizer, prompt)
    keeper = Keeper(goal, lambda text: detection(text, languages), edit, thinking)
    if goal is not None:
        return Wanted(keeper=keeper)

    def resolve(read: str | None) -> None:
        keeper.language = read

    message = [{"role": "user", "content": text}]
    asked = render(served.model.tokenizer, message, ChatOptions(enabled=True))
    (layer,) = space.default_point().layers
    return Wanted(resolve=resolve, origin=PromptReading(asked, space, layer), keeper=keeper)


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
