"""Conversations in a model's own template, and where in them the user's words are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from langsteer.engines.transformers.encoding import encode
from langsteer.errors import SteeringError

Message = Mapping[str, Any]
Messages = Sequence[Message]
_STAND_INS = ("7", "Xq.", "Hello there!", "{}")
"""Contents to compare with: of any two, one differs from a text at its start, and one at its end.

There are more than two of them, as a template may refuse some.
"""
_ENOUGH = 2


@dataclass(frozen=True)
class ChatOptions:
    """How prompts become conversations.

    `system` is the first message of a conversation that has none. `template` holds options of the
    template, such as `enable_thinking`. `enabled`: whether to use the chat template; None: if the
    tokenizer has one. `steer_thinking`: whether edits act on thinking, too, and not only on the
    answer after it.
    """

    system: str | None = None
    template: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool | None = None
    steer_thinking: bool = False

    def applies(self, tokenizer: PreTrainedTokenizerBase) -> bool:
        """Whether prompts go through the template of this tokenizer.

        Raises:
            SteeringError: the template was asked for and there is none, or an option of it was
                given where it is not used.
        """
        has = bool(getattr(tokenizer, "chat_template", None))
        if self.enabled and not has:
            raise SteeringError(
                "the tokenizer has no chat template; leave out --chat, or use a chat model"
            )
        used = has if self.enabled is None else self.enabled
        if not used and (self.system is not None or self.template):
            raise SteeringError(
                "a system message and options of the template need the chat template, which is "
                "not used here; leave them out, or use a model with a chat template"
            )
        return used


PLAIN = ChatOptions(enabled=False)


@dataclass(frozen=True)
class Rendered:
    """The tokens that a model is given.

    `own` are the positions of the user's own words: of a conversation those of the last message of
    the user, of plain text all. `text` is what was asked, for messages. `steer_thinking` as in
    `ChatOptions`.
    """

    ids: tuple[int, ...]
    own: tuple[int, ...]
    text: str
    steer_thinking: bool = False


def render(
    tokenizer: PreTrainedTokenizerBase, prompt: str | Messages, options: ChatOptions = PLAIN
) -> Rendered:
    """A prompt, or a conversation, as tokens: those of `apply_chat_template(tokenize=True)`.

    Raises:
        SteeringError: an empty prompt, or messages that the template refuses.
    """
    if isinstance(prompt, str) and not options.applies(tokenizer):
        ids = tuple(encode(tokenizer, prompt))
        return Rendered(ids, tuple(range(len(ids))), prompt, options.steer_thinking)
    messages = _messages(prompt, options)
    last = max((i for i, one in enumerate(messages) if one["role"] == "user"), default=None)
    ids = _templated(tokenizer, messages, options)
    whole = tuple(range(len(ids)))
    own = whole if last is None else _own(tokenizer, messages, last, options, ids)
    asked = messages[-1 if last is None else last].get("content", "")
    return Rendered(ids, own, _text(asked), options.steer_thinking)


def _text(content: Any) -> str:
    """The words of a message whose content may come in parts."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return "" if content is None else str(content)


def _messages(prompt: str | Messages, options: ChatOptions) -> list[dict[str, Any]]:
    if isinstance(prompt, str):
        if not prompt.strip():
            raise SteeringError("a prompt is empty; give at least one character")
        prompt = [{"role": "user", "content": prompt}]
    messages = [dict(one) for one in prompt]
    if not messages or not all(isinstance(one.get("role"), str) for one in messages):
        raise SteeringError(
            f"a conversation is a list of messages with a role and a content, not {prompt!r}"
        )
    if options.system is not None and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": options.system})
    return messages


def _templated(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, options: ChatOptions
) -> tuple[int, ...]:
    goes_on = messages[-1]["role"] == "assistant"
    try:
        found = cast(Any, tokenizer).apply_chat_template(
            list(messages),
            tokenize=True,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
            return_dict=True,
            **options.template,
        )
    except (TemplateError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SteeringError(
            "the chat template refuses these messages: "
            f"{str(error).strip() or type(error).__name__}. "
            "Change the messages, leave out the system message, or write the prompt yourself "
            "and use --plain."
        ) from error
    ids = tuple(found["input_ids"])
    if not ids:
        raise SteeringError("the chat template makes no tokens of these messages")
    return ids


def _own(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[dict[str, Any]],
    last: int,
    options: ChatOptions,
    ids: tuple[int, ...],
) -> tuple[int, ...]:
    """The positions that change when the user's last message does, whatever the template.

    That needs no offsets and holds for every template: what comes before and after the message is
    the same with another one in its place.
    """
    before, after, compared = len(ids), len(ids), 0
    for stand_in in _STAND_INS:
        if compared == _ENOUGH:
            break
        other = [*messages]
        other[last] = {**messages[last], "content": _replaced(messages[last], stand_in)}
        try:
            found = _templated(tokenizer, other, options)
        except SteeringError:  # a template may want what this message has
            continue
        compared += 1
        before = min(before, _alike(ids, found))
        after = min(after, _alike(ids[::-1], found[::-1]))
    own = tuple(range(before, len(ids) - after))
    return own or tuple(range(len(ids)))


def _replaced(message: Message, text: str) -> Any:
    """The content of a message with this text for its own, in as many parts as it has."""
    content = message.get("content")
    if not isinstance(content, list):
        return text
    return [
        {**part, "text": text} if isinstance(part, dict) and "text" in part else part
        for part in content
    ]


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens are the same from the start."""
    size = min(len(one), len(other))
    return next((i for i in range(size) if one[i] != other[i]), size)
