"""What several commands share: their options, how those are read, and how results are printed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from langsteer.errors import LangsteerError

if TYPE_CHECKING:
    from langsteer.data.prompts import PromptSet
    from langsteer.engines.transformers.model import Model
    from langsteer.space.space import OperatingPoint, Space

out = Console()

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder of a model, or its name on the hub.")
]
SpaceFile = Annotated[
    Path,
    typer.Option("--space", "-s", metavar="FILE", help="The space that [bold]fit[/bold] wrote."),
]
Device = Annotated[
    str, typer.Option(help="Where to run: cpu, cuda, cuda:1, mps, or auto to spread the model.")
]
Dtype = Annotated[str, typer.Option(help="auto (as stored), float32, bfloat16 or float16.")]
Blocks = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Module path of the decoder blocks, if they are not found."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run code that comes with the model. Off by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Layers = Annotated[
    str | None,
    typer.Option(
        "--layer", "-l", metavar="I[,I…]", help="Layers, counted from 0. Default: see below."
    ),
]
Languages = Annotated[
    str | None,
    typer.Option(metavar="TAG[,TAG…]", help="Use only these languages. Default: all there are."),
]


def fitted_space(
    model: str, space: Path, device: str, dtype: str, blocks: str | None, trust_remote_code: bool
) -> tuple[Model, Space]:
    """The model and the space, which must fit it."""
    from langsteer.engines.transformers.model import Model
    from langsteer.space.space import Space

    loaded = Model.from_pretrained(
        model, device=device, dtype=dtype, layers=blocks, trust_remote_code=trust_remote_code
    )
    fitted = Space.load(space)
    fitted.check(loaded.stream, loaded.tokenizer)
    return loaded, fitted


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def numbers(text: str | None) -> list[int] | None:
    """Block numbers with commas between them."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise LangsteerError(
            f"--layer {text!r} is not a list of numbers. Write block numbers such as 5 or 3,4,5."
        ) from None


def tags(text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the known languages that a list with commas names; without a list all."""
    from langsteer.text.tags import choose

    return known if text is None else tuple(choose(tag.strip(), known) for tag in text.split(","))


def prompts_from(path: Path, source: str | None = None) -> PromptSet:
    """The prompts in a file or folder of any layout that is known."""
    from langsteer.data.prompt_layouts import read_any

    return read_any(path, source)


def point_of(
    space: Space,
    layer: str | None,
    strength: float | None,
    scope: str | None,
    estimator: str | None,
) -> OperatingPoint:
    """The operating point of the space, or the default, with what the user overrides."""
    from langsteer.edits.scope import Scope

    point = space.operating_point or space.default_point()
    changes: dict[str, Any] = {}
    if layer is not None:
        changes["layers"] = tuple(numbers(layer) or ())
    if strength is not None:
        changes["strength"] = strength
    if scope is not None:
        changes["scope"] = str(Scope.parse(scope))
    if estimator is not None:
        changes["estimator"] = estimator
    # What is asked for holds for all pairs, also for those that tuning gave a point of their own,
    # and was chosen on no split.
    return replace(point, **changes, pairs=(), scores={}, split="") if changes else point
