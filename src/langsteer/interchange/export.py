"""Write an edit as a file of another tool.

An exporter is one file with an :class:`Exporter`, and one line in ``MODULES``.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from langsteer.edits.edit import Edit
from langsteer.errors import SteeringError
from langsteer.interchange.exporter import Exported, Exporter, Origin

MODULES = (
    "pt",
    "gguf",
    "folded",
    "lora",
    "steering_vectors",
    "repeng",
    "easysteer",
    "lm_eval",
)
"""The files with an exporter, each called ``EXPORTER`` there."""
EXPORTERS: dict[str, Exporter] = {
    one.name: one
    for one in (import_module(f"langsteer.interchange.{name}").EXPORTER for name in MODULES)
}


def export(
    edit: Edit, path: Path, format: str | None = None, origin: Origin | None = None
) -> Exported:
    """Write the edit to `path` in a format; by default the one that the suffix stands for.

    Args:
        edit: the edit; its strength is folded into what is written.
        path: the file. It appears whole or not at all.
        format: the name of an exporter.
        origin: the model and the languages, for formats that note them.

    Returns:
        what was written, and what the format cannot say.

    Raises:
        SteeringError: the format is unknown, or it cannot say what the edit does.
        LangsteerError: the file cannot be written.
    """
    exporter = _by_suffix(path) if format is None else _by_name(format)
    found = exporter.write(edit, path, origin or Origin())
    notes = list(found.notes)
    if edit.scope.spare_bos:  # as few other engines do
        notes.append("a leading beginning-of-sequence token is edited too; langsteer leaves it")
    return replace(found, notes=tuple(notes))


def _by_name(name: str) -> Exporter:
    if name not in EXPORTERS:
        near = difflib.get_close_matches(name, EXPORTERS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SteeringError(
            f"There is no format {name!r}.{hint} There are: {', '.join(EXPORTERS)}."
        )
    return EXPORTERS[name]


def _by_suffix(path: Path) -> Exporter:
    found = [one for one in EXPORTERS.values() if one.suffix == (path.suffix.lower() or None)]
    if len(found) != 1:
        known = ", ".join(
            f"{one.name} ({one.suffix})" if one.suffix else one.name for one in EXPORTERS.values()
        )
        raise SteeringError(
            f"the suffix of {path.name!r} does not say which format to write. Name one: {known}."
        )
    return found[0]
