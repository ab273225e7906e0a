"""What reaches the terminal: nothing that is not ours can move the cursor, set colours or crash it.

Answers, names of models, files and tasks, and messages of other libraries may hold control
characters and what rich takes for markup. `printable` makes the first visible, `escaped` both.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but line feed and tab, marks that reverse the order of what is shown, and
half surrogates."""


def printable(text: object) -> str:
    """The text with control characters written out, such as `\\x1b`."""
    return CONTROL.sub(lambda match: ascii(match.group())[1:-1], str(text))


class SafeConsole(Console):
    """A console that prints control characters as `printable` shows them, wherever they come from.

    It is the last line of defence: what was not made printable before is measured too short, so
    that a table around it may lose its shape.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The pieces of what is shown."""
        for piece in super().render(renderable, options):
            shown = piece.control or CONTROL.search(piece.text) is None
            yield piece if shown else Segment(printable(piece.text), piece.style)


out = SafeConsole()
err = SafeConsole(stderr=True)


def escaped(text: object) -> str:
    """Text for a string with rich markup, of which it can change nothing."""
    return escape(printable(text))


def print_json(value: Any) -> None:
    """Write one JSON value on standard output.

    Numbers that are not finite are written as null. Characters that the output's encoding lacks are
    written as escape sequences.
    """
    plain = json_value(value)
    text = json.dumps(plain, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(plain, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


def json_value(value: Any) -> Any:
    """The value with null for every number that is not finite, which JSON cannot write."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): json_value(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(one) for one in value]
    return value


def write_what_can_be_written() -> None:
    """Let characters that the output's encoding lacks appear as `?` instead of failing."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
