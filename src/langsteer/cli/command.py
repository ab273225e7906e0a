"""How a function becomes a command: groups of options are spread out, and every value is checked.

A command may take a frozen dataclass of options, such as `Loading`, as one parameter. On the
command line its fields are options like all others, so that no command repeats them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, getdoc, signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, ParameterInfo


def command_of(function: Callable[..., None]) -> Callable[..., None]:
    """The command that typer can register: one parameter for every option.

    No path and no argument may be empty, `~` in paths is expanded, and every number must be finite.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @wraps(function)
    def run(**given: Any) -> None:
        for name, value in given.items():
            _check_finite(name, value)
        for name, group in groups.items():
            given[name] = group(**{one.name: given.pop(one.name) for one in fields(group)})
        function(**given)

    parameters = list(_parameters(function, hints))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = _flowing(getdoc(function) or "")
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _flowing(text: str) -> str:
    """The text with one line a paragraph, which the terminal breaks where it has to."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _parameters(function: Callable[..., None], hints: dict[str, Any]) -> Iterator[Parameter]:
    for one in signature(function).parameters.values():
        hint = hints[one.name]
        if not is_dataclass(hint):
            kept = one.replace(annotation=_checked(hint), kind=Parameter.KEYWORD_ONLY)
            yield kept
            continue
        types = get_type_hints(hint, include_extras=True)
        for option in fields(hint):
            yield Parameter(
                option.name,
                Parameter.KEYWORD_ONLY,
                default=_default(option),
                annotation=_checked(types[option.name]),
            )


def _default(option: Field[Any]) -> Any:
    return Parameter.empty if option.default is MISSING else option.default


def _checked(hint: Any) -> Any:
    """The annotation of a parameter, with a parser of our own where it is a path."""
    if get_origin(hint) is not Annotated:
        return hint
    kind, *extras = get_args(hint)
    if kind is Path or Path in get_args(kind):
        return Annotated[kind, *(_with_parser(one, _path) for one in extras)]
    if kind is str:
        return Annotated[kind, *(_with_parser(one, _word, ArgumentInfo) for one in extras)]
    return hint


def _with_parser(
    info: Any, parser: Callable[[str], Any], kind: type[ParameterInfo] = ParameterInfo
) -> Any:
    if not isinstance(info, kind):
        return info
    info = copy(info)
    info.parser = parser
    info.metavar = info.metavar or "PATH"
    return info


def _path(text: str) -> Path:
    if not str(text).strip():
        raise typer.BadParameter("the path is empty. Give the name of a file or folder.")
    return Path(text).expanduser()


def _word(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("it is empty.")
    return text


def _check_finite(name: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        option = "--" + name.replace("_", "-")
        raise typer.BadParameter(f"{option} is {value}. Give a finite number.")
