"""Options that several commands share, and how they are read."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langsteer.cli.terminal import err, escaped, out, print_json, printable
from langsteer.errors import LangsteerError

if TYPE_CHECKING:
    from langsteer.data.prompts import PromptSet
    from langsteer.engines.transformers.model import Model
    from langsteer.space.space import OperatingPoint, Space

__all__ = [
    "AsJson",
    "Languages",
    "Layers",
    "Loading",
    "ModelName",
    "Override",
    "Seed",
    "SeedOrNone",
    "SpaceFile",
    "escaped",
    "numbers",
    "out",
    "print_json",
    "printable",
    "prompts_from",
    "tags",
]

SEED_LIMIT = 2**64 - 1
"""The largest seed that torch takes."""

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder of a model, or its name on the hub.")
]
SpaceFile = Annotated[
    Path,
    typer.Option(
        "--space", "-s", metavar="FILE", help="Space written by [bold]langsteer fit[/bold]."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Layers = Annotated[
    str | None,
    typer.Option(
        "--layer", "-l", metavar="I[,I…]", help="Layers, counted from 0, such as 5 or 3,4 or 3-5."
    ),
]
Languages = Annotated[
    str | None,
    typer.Option(metavar="TAG[,TAG…]", help="Use only these languages. Default: all."),
]


def seed_number(text: str) -> int:
    """A seed of random numbers from what was typed.

    Raises:
        BadParameter: it is not a whole number that torch takes as a seed.
    """
    digits = str(text).strip()
    if not re.fullmatch(r"[0-9]{1,20}", digits) or int(digits) > SEED_LIMIT:
        raise typer.BadParameter(f"{digits!r} is not a whole number from 0 to {SEED_LIMIT}.")
    return int(digits)


Seed = Annotated[int, typer.Option(metavar="N", parser=seed_number, help="Seed of random choices.")]
SeedOrNone = Annotated[
    int | None,
    typer.Option(metavar="N", parser=seed_number, help="Seed of random choices. Default: none."),
]


@dataclass(frozen=True)
class Loading:
    """How a model is loaded."""

    device: Annotated[
        str, typer.Option(help="Device: cpu, cuda, cuda:1, mps, or auto (the best one available).")
    ] = "auto"
    device_map: Annotated[
        str | None,
        typer.Option(
            metavar="MAP",
            help="Spread the model over several devices: auto, balanced or sequential. Needs the "
            "package accelerate. With fit, under torchrun, also tensor-parallel: each process has "
            "a part of every layer.",
        ),
    ] = None
    dtype: Annotated[
        str,
        typer.Option(
            help="Data type of the weights: float32, bfloat16, float16, or auto (as stored; "
            "float32 on a CPU)."
        ),
    ] = "auto"
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, tag or commit of a model on the hub."),
    ] = None
    layers_path: Annotated[
        str | None,
        typer.Option(
            "--layers-path",
            metavar="PATH",
            help="Where the model keeps its decoder layers, such as model.layers, if they are not "
            "found automatically.",
        ),
    ] = None
    blocks: Annotated[str | None, typer.Option("--blocks", hidden=True)] = None
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code", help="Run code that comes with the model. Default: do not."
        ),
    ] = False

    def load(self, name: str) -> Model:
        """Load the model.

        Raises:
            ModelError: it cannot be loaded.
        """
        from langsteer.engines.transformers.model import Model

        options = {"revision": self.revision, "device_map": self.device_map}
        return Model.from_pretrained(
            name,
            device=self.device,
            dtype=self.dtype,
            layers=self.layers_path or self.blocks,
            trust_remote_code=self.trust_remote_code,
            **{option: value for option, value in options.items() if value is not None},
        )

    def load_with(self, space: Path, name: str) -> tuple[Model, Space]:
        """Load the model and a space, which must fit it.

        Raises:
            ModelError: the model cannot be loaded.
            SpaceError: the space cannot be read, or does not fit.
        """
        from langsteer.space.space import Space

        fitted = Space.load(space)
        loaded = self.load(name)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            fitted.check(loaded)
        for one in found:
            err.print(f"[yellow]warning:[/yellow] {escaped(str(one.message))}", highlight=False)
        return loaded, fitted


@dataclass(frozen=True)
class Override:
    """What is done differently from the operating point of the space."""

    layer: Layers = None
    strength: Annotated[
        float | None,
        typer.Option(
            help="0 leaves the model unchanged, 1 makes the whole change. Default: as tuned, or "
            "else 1."
        ),
    ] = None
    scope: Annotated[
        str | None,
        typer.Option(
            help="Positions to edit: all, prompt, prompt_last, generated, or a window such as "
            "start[0:4]. Default: as tuned, or else all."
        ),
    ] = None
    estimator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="How the map is estimated. Default: as tuned, or else difference."
        ),
    ] = None

    def point(self, space: Space) -> OperatingPoint:
        """The operating point of the space, or the default, with what is overridden.

        Raises:
            LangsteerError: the layers cannot be read.
            ScopeError: the scope cannot be read.
        """
        from langsteer.edits.scope import Scope

        point = space.point_for(self.estimator)
        changes: dict[str, Any] = {}
        if self.layer is not None:
            changes["layers"] = tuple(numbers(self.layer) or ())
        if self.strength is not None:
            changes["strength"] = self.strength
        if self.scope is not None:
            changes["scope"] = str(Scope.parse(self.scope))
        if self.estimator is not None:
            changes["estimator"] = self.estimator
        # What is asked for holds for all pairs, also for those that tuning gave a point of their
        # own, and was chosen on no split.
        return replace(point, **changes, pairs=(), scores={}, split="") if changes else point


def numbers(text: str | None) -> list[int] | None:
    """Layers from a list such as `3,4` or `3-5`.

    Raises:
        LangsteerError: it is no such list, or names a layer twice.
    """
    if text is None:
        return None
    found = [number for part in text.split(",") for number in _range(part, text)]
    twice = next((number for number in found if found.count(number) > 1), None)
    if twice is not None:
        raise LangsteerError(f"--layer {text!r} names layer {twice} more than once. Name it once.")
    return found


LAYERS = re.compile(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*")


def _range(part: str, text: str) -> Iterator[int]:
    match = LAYERS.fullmatch(part)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise LangsteerError(
            f"--layer {text!r} is not a list of layers. Write numbers counted from 0, such as 5, "
            "3,4,5 or 3-5."
        )
    yield from range(int(match[1]), int(match[2] or match[1]) + 1)


def tags(text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the known languages that a list with commas names; without a list all."""
    from langsteer.text.tags import choose

    if text is None:
        return known
    return tuple(dict.fromkeys(choose(tag.strip(), known) for tag in text.split(",")))


def prompts_from(path: Path, source: str | None = None) -> PromptSet:
    """The prompts in a file or folder of any layout that is known."""
    from langsteer.data.prompt_layouts import read_any

    return read_any(path, source)
