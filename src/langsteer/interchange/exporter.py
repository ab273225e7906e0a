"""What an exporter is, what it is told and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from langsteer.edits.edit import Edit


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an edit comes from; empty where it is not known.

    `model` is the folder of the model or its name on the hub: formats with weights read it.
    """

    model: str = ""
    model_type: str = ""
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """The files that were written, in sentences what they do not say of the edit, and their use."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    use: str = ""


@dataclass(frozen=True, slots=True)
class Exporter:
    """A format: its name, the suffix of its files, one line about it, and what writes it.

    Without a suffix the format must be named.
    """

    name: str
    suffix: str
    summary: str
    write: Callable[[Edit, Path, Origin], Exported]
