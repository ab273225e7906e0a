"""Files of chats, as chat templates take them.

- JSON (``.json``): one conversation, a list of ``{"role": …, "content": …}``, or an object with
  such a list as ``messages``; or a list of conversations of either kind.
- JSON lines: one conversation a line, of either kind.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langsteer.data.files import spoken
from langsteer.data.json_values import json_values
from langsteer.data.problems import Problems, shown
from langsteer.data.rows import SUFFIXES
from langsteer.errors import CorpusError

Conversation = list[dict[str, Any]]
"""Messages in order. Fields besides role and content are kept: a template may use them."""
SUCH_AS = '[{"role": "user", "content": "Why is the sky blue?"}]'


def read_messages(path: Path) -> list[Conversation]:
    """The conversations in a file, at least one.

    Raises:
        CorpusError: There is no such file, or a conversation in it is not as it should be; the
            message names file and line.
    """
    path = path.expanduser()
    if not os.path.exists(path):
        raise CorpusError(f"There is no file of messages at {spoken(path)}. Give a JSON file.")
    kind = SUFFIXES.get(path.suffix.lower(), "jsonl")
    if kind not in ("json", "jsonl"):
        raise CorpusError(
            f"{spoken(path)} is no file of messages: its name ends with {path.suffix}. Give a "
            ".json or .jsonl file."
        )
    problems = Problems(spoken(path))
    values = list(json_values(path, problems, kind))
    if kind == "json" and values and all(_is_message(value) for _, value in values):
        # The whole list is one conversation.
        values = [(values[0][0], [value for _, value in values])]
    found = []
    for place, value in values:
        with problems.at(place):
            found.append(conversation(value))
    problems.refuse()
    if not found:
        raise CorpusError(f"{spoken(path)} holds no messages. Write a list such as {SUCH_AS}.")
    return found


def conversation(value: object) -> Conversation:
    """A conversation, checked.

    Raises:
        CorpusError: It is none; the message says which message is at fault, counted from 1.
    """
    messages = value.get("messages") if isinstance(value, Mapping) else value
    if _is_message(value):
        raise CorpusError(
            f"this is one message, not a conversation. Write the messages as a list: {SUCH_AS}."
        )
    if not isinstance(messages, list) or not messages:
        raise CorpusError(
            f"a conversation is a list of messages, and this is {shown(value)}. Write "
            f'{SUCH_AS}, or such a list as "messages" of an object.'
        )
    for number, message in enumerate(messages, start=1):
        _check(message, number)
    return [dict(message) for message in messages]


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) and "role" in value and "messages" not in value


def _check(message: object, number: int) -> None:
    if not isinstance(message, Mapping):
        raise CorpusError(
            f"message {number} is {shown(message)}. Give an object with role and content."
        )
    for field in ("role", "content"):
        value = message.get(field)
        if not isinstance(value, str):
            raise CorpusError(
                f"message {number} has {shown(value)} as {field!r}. Give a string; only text can "
                "be read."
            )
    if not message["role"].strip():
        raise CorpusError(
            f"message {number} has an empty 'role'. Give one that the template knows, such as "
            "user, assistant or system."
        )
