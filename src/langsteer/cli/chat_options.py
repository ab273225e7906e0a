"""How prompts of a command go through the chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langsteer.errors import LangsteerError

if TYPE_CHECKING:
    from langsteer.engines.transformers.chat import ChatOptions


@dataclass(frozen=True)
class ChatTemplate:
    """How prompts become conversations."""

    chat: Annotated[
        bool | None,
        typer.Option(
            "--chat/--plain",
            help="Use the model's chat template, or leave prompts as they are. Default: use it if "
            "there is one.",
        ),
    ] = None
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="System message of every conversation.")
    ] = None
    template_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Option of the chat template, such as enable_thinking=false. May be repeated.",
        ),
    ] = None

    steer_thinking: Annotated[
        bool,
        typer.Option(
            "--steer-thinking",
            help="Steer what the model thinks before its answer, too. Default: the answer alone.",
        ),
    ] = False

    def options(self) -> ChatOptions:
        """The options of the engine.

        Raises:
            LangsteerError: an option of the template is not KEY=VALUE.
        """
        from langsteer.engines.transformers.chat import ChatOptions

        return ChatOptions(
            self.system,
            dict(map(_option, self.template_option or ())),
            enabled=self.chat,
            steer_thinking=self.steer_thinking,
        )


def _option(text: str) -> tuple[str, Any]:
    """A key, and a value that is JSON where it can be: false, 3, "text"; else the text itself."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip().isidentifier():
        raise LangsteerError(
            f"--template-option {text!r} is not KEY=VALUE. Write, for example, "
            "--template-option enable_thinking=false."
        )
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value
