"""Names of version 0.1, kept until 0.4: a table from old modules to new ones, and five functions.

Whoever imports an old module gets one that looks its names up in the new ones, with a
`DeprecationWarning`. Nothing in langsteer uses this file.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langsteer.data.corpus import Corpus
    from langsteer.engines.transformers.model import Model
    from langsteer.space.space import OperatingPoint, Space

MOVED: dict[str, tuple[str, ...]] = {
    "answering": ("legacy",),
    "atlas": ("demo",),
    "atlas.demo": ("demo.run",),
    "atlas.documents": ("demo.documents",),
    "atlas.tasks": ("demo.tasks",),
    "atlas.templates": ("demo.templates",),
    "atlas.world": ("demo.world",),
    "collect": ("fitting.collect", "statistics.pooling"),
    "corpus": ("data.corpus",),
    "detect": ("text.detect",),
    "evaluation.degeneration": ("text.degeneration",),
    "evaluation.given": ("data.answers",),
    "evaluation.layouts": ("data.prompt_layouts",),
    "evaluation.measuring": ("evaluation.score",),
    "evaluation.prompts": ("data.prompts",),
    "evaluation.rates": ("evaluation.aggregate",),
    "evaluation.run": ("evaluation.runner", "evaluation.cases"),
    "evaluation.scoring": ("cli.scoring",),
    "evaluation.segments": ("text.segments",),
    "files": ("data.files",),
    "forward": ("engines.transformers.hooks",),
    "identity": ("space.identity",),
    "increments": ("fitting.increments",),
    "languages": ("text.tags",),
    "loading": ("legacy",),
    "maps": ("edits.maps",),
    "proof": ("evaluation.evaluate",),
    "residual": ("engines.transformers.stream",),
    "scripts": ("text.scripts",),
    "steering": ("legacy", "edits"),
    "steering.context": ("legacy",),
    "steering.edits": ("edits.edit",),
    "steering.generation": ("legacy", "engines.transformers.encoding"),
    "steering.guard": ("edits.guard",),
    "steering.scopes": ("edits.scope",),
    "steering.source": ("engines.transformers.source",),
    "verify": ("engines.transformers.verify",),
}
"""Module of 0.1 → where its names are now, in the order in which they are looked for."""
NAMES = {
    "Loaded": "legacy",
    "ResidualStream": "engines.transformers.stream",
    "fit": "legacy",
    "generate": "legacy",
    "load": "legacy",
    "read_corpus": "data.corpus",
    "steering": "legacy",
}
"""Names that `langsteer` itself had in 0.1, and where they are now."""
PUBLIC = ("Loaded", "Request", "answer", "fit", "generate", "load", "steering")
_PREFIX = "langsteer."


class _Moved(types.ModuleType):
    """A module of 0.1. That called `steering` can be called, as the function of that name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        old = self.__name__.removeprefix(_PREFIX)
        for place in MOVED[old]:
            found = import_module(_PREFIX + place)
            if place == "legacy" and name not in PUBLIC:
                continue
            if hasattr(found, name):
                return getattr(found, name)
        raise AttributeError(f"langsteer.{old} had no {name!r}, or it is gone")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(self, name)(*args, **kwargs)


class Finder(MetaPathFinder, Loader):
    """Finds the modules of 0.1."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """A specification for the modules in `MOVED`; None for all others."""
        old = fullname.removeprefix(_PREFIX)
        if not fullname.startswith(_PREFIX) or old not in MOVED:
            return None
        package = any(other.startswith(f"{old}.") for other in MOVED)
        return ModuleSpec(fullname, self, is_package=package)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """The module, which holds nothing by itself."""
        return _Moved(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Say where its names are."""
        old = module.__name__.removeprefix(_PREFIX)
        places = " and ".join(f"langsteer.{place}" for place in MOVED[old])
        warnings.warn(
            f"langsteer.{old} was a module of langsteer 0.1; use {places}",
            DeprecationWarning,
            stacklevel=2,
        )


def install() -> None:
    """Let the modules of 0.1 be found, after all others."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())


def find(name: str) -> Any:
    """What `langsteer.NAME` was in 0.1."""
    warnings.warn(
        f"langsteer.{name} is a name of langsteer 0.1; see langsteer.Model and langsteer.Space",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(_PREFIX + NAMES[name]), name)


def load(name_or_path: Any, *, device: str = "cpu", **options: Any) -> Model:
    """`Model.from_pretrained`; what it returns has its transformers model as `model`, too."""
    from langsteer.engines.transformers.model import Model

    options = {("layers" if key == "blocks" else key): value for key, value in options.items()}
    model = Model.from_pretrained(name_or_path, device=device, **options)
    model.model = model.hf  # type: ignore[attr-defined]
    model.stream.blocks = model.stream.layers  # type: ignore[attr-defined]
    return model


def fit(loaded: Model, corpus: Corpus, **options: Any) -> Space:
    """`Space.fit`, with the options of 0.1."""
    from langsteer.fitting.fit import fit as now
    from langsteer.fitting.reading import Reading

    progress = options.pop("progress", False)
    return now(loaded, corpus, Reading(**options), progress=progress)


def steering(stream: Any, edits: Any, **options: Any) -> Any:
    """`Model.steered`, of a residual stream."""
    from langsteer.engines.transformers.steered import steering as now

    return now(stream, edits, **options)


def generate(
    stream: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    edits: Any = None,
    **options: Any,
) -> list[str]:
    """`Model.generate`, with the options of 0.1."""
    from langsteer.engines.transformers.generation import Events, Generation
    from langsteer.engines.transformers.model import Model

    named = {"do_sample": "sample", "batch_tokens": "tokens_per_batch"}
    ways = {"max_new_tokens", "temperature", "top_p", "seed", *named}
    chosen = {named.get(key, key): options.pop(key) for key in ways & set(options)}
    calls = {"on_text", "on_batch", "on_tokens"} & set(options)
    events = {key: options.pop(key) for key in calls}
    stop = options.pop("stop", None)
    if options:
        raise TypeError(f"generate has no option {', '.join(options)}")
    model = Model(stream.model, tokenizer)
    return model.generate(
        list(prompts), edits, Generation(**chosen), stop=stop, events=Events(**events)
    )


@dataclass(frozen=True)
class Request:
    """What to do with prompts, as in 0.1."""

    target: str
    source: str | None
    point: OperatingPoint
    max_new_tokens: int = 128
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    chat: bool | None = None
    compare: bool = False
    guard: bool = False


def answer(
    loaded: Model,
    space: Space,
    prompts: Sequence[str],
    request: Request,
    on_text: Callable[[str], None] | None = None,
) -> list[Any]:
    """`langsteer generate`, with the request of 0.1."""
    from langsteer.engines.transformers.answers import AnswerOptions, answer_in
    from langsteer.engines.transformers.chat import ChatOptions
    from langsteer.engines.transformers.generation import Events, Generation

    given = asdict(request) | {"point": request.point}
    names = ("max_new_tokens", "sample", "temperature", "top_p", "seed")
    options = AnswerOptions(
        request.source,
        request.point,
        Generation(**{name: given[name] for name in names}),
        ChatOptions(enabled=request.chat),
        request.guard,
        request.compare,
    )
    return answer_in(
        loaded, space, prompts, request.target, options, events=Events(on_text=on_text)
    )


def __getattr__(name: str) -> Any:
    if name == "Loaded":
        from langsteer.engines.transformers.model import Model

        return Model
    raise AttributeError(name)
