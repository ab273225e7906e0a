"""What a notebook shows of a space."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from langsteer.text.tags import display_name

if TYPE_CHECKING:
    from langsteer.space.space import Space


def table(head: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> str:
    """A plain HTML table; everything in it is escaped."""
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    top = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{caption}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def space_as_html(space: Space) -> str:
    """The languages of a space, and in a line its model, layers and operating point."""
    counts = space.corpus
    rows = [
        (
            display_name(tag),
            tag,
            f"{counts.texts.get(tag, 0):,}",
            f"{counts.tokens.get(tag, 0):,}",
        )
        for tag in space.languages
    ]
    layers = space.layers
    facts = [
        f"model {space.model.name or space.model.model_type}",
        f"layers {layers[0]} to {layers[-1]} of {space.model.depth}",
        f"width {space.model.width}",
        f"pooling {space.pooling}",
    ]
    point = space.operating_point
    if point is not None:
        at = ", ".join(map(str, point.layers))
        facts.append(f"layer {at}, strength {point.strength:g}, {point.scope}, {point.estimator}")
    note = f"<p>{escape('; '.join(facts))}</p>"
    return table(("language", "tag", "texts", "tokens"), rows, "langsteer space") + note
