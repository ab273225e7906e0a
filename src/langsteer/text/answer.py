"""What of a generated text is the answer, and what of an answer is in a human language."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CACHE = 16384
_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)"
_OPEN = re.compile(
    rf"<{_NAMES}\b[^<>]*>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|START_THINKING)\|>", re.I
)
_CLOSE = re.compile(
    rf"</{_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>", re.I
)
_TAG = re.compile(rf"(?<!`)(?:(?P<open>{_OPEN.pattern})|(?P<close>{_CLOSE.pattern}))", re.I)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>", re.I)
_STEP = re.compile(
    rf"{_TAG.pattern}|<\|channel\|>\s*(?:(?P<answer>final)|\w+)[^<]*<\|message\|>", re.I
)
_BARE_CHANNEL = re.compile(r"\A\s*analysis(?=[A-Z\s]).*?assistantfinal", re.S)
_WRAPPERS = re.compile(
    r"</?(?:answer|response|output|solution)\s*>|<\|(?:begin_of_solution|end_of_solution|START_"
    r"RESPONSE|END_RESPONSE|end|return|start|im_end|eot_id|endoftext)\|>(?:assistant)?",
    re.I,
)


@lru_cache(maxsize=CACHE)
def visible(text: str) -> str:
    """What a reader is shown of a generated text, in NFC: without the thinking before it.

    Thinking is what stands between tags such as `<think>` and `</think>` or in an analysis
    channel; what follows a tag that is never closed; and what comes before a closing tag whose
    opening one the template wrote. A tag in inline code is none.
    """
    text = unicodedata.normalize("NFC", text)
    channels = list(_CHANNEL.finditer(text))
    if channels:
        final = [one for one in channels if one.group(1).lower() == "final"]
        text = text[final[-1].end() :] if final else ""
    text = _BARE_CHANNEL.sub("", text)
    return _WRAPPERS.sub("", _without_thinking(text)).strip("\n")


def has_thinking_tag(text: str) -> bool:
    """Whether a text, such as a chat template, knows tags or channels of thinking."""
    return bool(_TAG.search(text)) or "<|channel|>" in text


def thinking_depth(text: str, depth: int = 0) -> int | None:
    """How many thoughts are open after a text, of which `depth` were before it.

    None if there is no tag in it, so that nothing changes.
    """
    found = None
    for step in _STEP.finditer(text):
        if step.group("open"):
            depth += 1
        elif step.group("close"):
            depth = max(depth - 1, 0)
        else:
            depth = 0 if step.group("answer") else 1
        found = depth
    return found


def _without_thinking(text: str) -> str:
    kept, depth, place = "", 0, 0
    for tag in _TAG.finditer(text):
        if tag.group("open"):
            kept += "" if depth else text[place : tag.start()]
            depth += 1
        elif depth:
            depth -= 1
        else:
            kept = ""  # it was opened before the text began
        place = tag.end()
    return kept if depth else kept + text[place:]


_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(?:.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.M | re.S)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?:(?: {4}|\t)[^\n]*(?:\n|\Z))+")
_CODE_LINE = re.compile(
    r"[{}();=<>]|^\s*(?:def|class|import|from|return|for|while|if|#include|let|const|var|func)\b"
)
_NO_LANGUAGE = [
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"`+[^`\n]+`+"),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S),
    re.compile(r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)", re.S),
    re.compile(r"\$(?=\S)(?=[^$\n]*[\\^_={}]|[A-Za-z]\$)[^$\n]*?(?<=\S)\$(?!\d)"),
    re.compile(r"\\[A-Za-z]+(?:\{[^{}]*\})+"),
    re.compile(r"!?\[([^\]\n]*)\]\([^)\s]+(?:\s+\"[^\"\n]*\")?\)"),
    re.compile(r"\b(?:https?|ftp|file)://[^\s<>\"'）】」]+|\bwww\.[^\s<>\"'）】」]+", re.I),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(
        r"(?<![\w@])(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|dev|info|de|uk|fr|cn|ru|jp)"
        r"\b(?:/[^\s<>\"']*)?",
        re.I,
    ),
    re.compile(r"</?[A-Za-z][^<>\n]*>|&(?:#\d+|#x[0-9a-f]+|[a-z]+);", re.I),
    re.compile(r"(?<!\w)[@#]\w+"),
]
_QUOTES = re.compile(
    r"“[^”“\n]+”|„[^“”\n]+[“”]|«[^»«\n]+»|»[^«»\n]+«|‹[^›\n]+›|「[^」\n]+」|『[^』\n]+』|《[^》\n]+》|"
    r"(?<![^\s(\[{—–:-])\"[^\"\n]+\"(?=[\s.,;:!?)\]}…—–-]|$)"
)
_QUOTED_LINE = re.compile(r"^[ \t]*>.*$", re.M)
LEAST_LETTERS = 8
"""Letters that must be left of an answer for what it quotes to be set aside."""


@lru_cache(maxsize=CACHE)
def prose(text: str) -> str:
    """What of a text is its writer's own words in a human language, with its lines as they were.

    Left out are code, formulae, addresses and markup; and what it quotes, as long as enough is
    left. Of a link its words stay.
    """
    text = unicodedata.normalize("NFC", text)
    bare = _INDENTED.sub(_unless_code, _FENCE.sub("\n", text))
    for pattern in _NO_LANGUAGE:
        bare = pattern.sub(_words_of_link, bare)
    own = _QUOTES.sub(" ", _QUOTED_LINE.sub("", bare))
    if _letters(own) >= LEAST_LETTERS:
        return own
    return bare


def _unless_code(match: re.Match[str]) -> str:
    lines = [line for line in match.group().split("\n") if line.strip()]
    code = sum(bool(_CODE_LINE.search(line)) for line in lines)
    return "\n" if 2 * code >= len(lines) else match.group()


def _words_of_link(match: re.Match[str]) -> str:
    found = match.group()
    link = found.startswith(("[", "![")) and match.re.groups == 1
    return match.group(1) if link else " "


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))
