"""An edit: which maps, how strongly, and where."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from langsteer.edits.guard import Guard
from langsteer.edits.maps import Map
from langsteer.edits.scope import Scope
from langsteer.errors import SteeringError

if TYPE_CHECKING:
    from langsteer.interchange.exporter import Exported


@dataclass(frozen=True)
class Edit:
    """What happens to one row: `z' = z + strength · (T(z) - z)` at each layer in `maps`.

    Strength 0 leaves the model as it is, bit for bit. `restore_norm` gives each edited latent the
    norm that it had before. With a `guard` it acts only while the row is in another language than
    the guard's target.
    """

    maps: Mapping[int, Map]
    strength: float = 1.0
    scope: Scope = field(default_factory=Scope)
    restore_norm: bool = False
    guard: Guard | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.strength):
            raise SteeringError(f"the strength must be a finite number, not {self.strength}")

    @property
    def idle(self) -> bool:
        """Whether the edit changes nothing."""
        return self.strength == 0 or not self.maps

    def at(self, *, strength: float | None = None, scope: Scope | str | None = None) -> Edit:
        """The same edit with another strength, or in another scope, by name or as a `Scope`.

        Raises:
            SteeringError: the strength is not finite.
            ScopeError: there is no such scope.
        """
        chosen = Scope.parse(scope) if isinstance(scope, str) else scope
        return replace(
            self,
            strength=self.strength if strength is None else strength,
            scope=self.scope if chosen is None else chosen,
        )

    def export(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        model: str = "",
        model_type: str = "",
        source: str = "",
        target: str = "",
    ) -> Exported:
        """Write the edit as a file of another tool.

        Args:
            path: where to; the file or folder appears whole or not at all.
            format: one of `interchange.EXPORTERS`; by default the one of the suffix.
            model: the folder of the model or its hub name, for formats with weights in them.
            model_type: the kind of the model, as its configuration says, for those that note it.
            source: the language that it leads from, likewise.
            target: the language that it leads to.

        Raises:
            SteeringError: the format is unknown, or it cannot say what the edit does.
            LangsteerError: the file cannot be written, or the model not be read.
        """
        from langsteer.interchange import Origin, export

        origin = Origin(model, model_type, source, target)
        return export(self, Path(path), format, origin)

    def check(self, depth: int, width: int) -> None:
        """Raise SteeringError unless every map fits a model of `depth` layers of this width."""
        for layer, map_ in self.maps.items():
            if not 0 <= layer < depth:
                raise SteeringError(
                    f"layer {layer} is outside the model, which has {depth} layers: "
                    f"choose from 0 to {depth - 1}"
                )
            if map_.width != width:
                raise SteeringError(
                    f"the map at layer {layer} is for latents of width {map_.width}, but the "
                    f"model's are {width} wide; it was made for another model"
                )
        if self.guard is not None and self.maps and self.guard.layer != min(self.maps):
            raise SteeringError(
                f"the guard reads at layer {self.guard.layer}, but the first layer of its edit is "
                f"{min(self.maps)}; a guard must read there, before anything is edited"
            )


Edits = Edit | Sequence[Edit | None] | None


def per_row(edits: Edits, rows: int) -> tuple[Edit | None, ...]:
    """One edit, or None, for each of `rows` prompts; idle edits become None."""
    given = (edits,) * rows if edits is None or isinstance(edits, Edit) else tuple(edits)
    if len(given) != rows:
        raise SteeringError(
            f"{len(given)} edits were given for {rows} prompts; give one for all of them, "
            "or one (or None) for each"
        )
    return tuple(None if edit is None or edit.idle else edit for edit in given)
