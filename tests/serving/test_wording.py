"""Text as it comes is the text as a whole, up to a stop string, never a part of one."""

from hypothesis import given
from hypothesis import strategies as some

import tiny
from langsteer.serving.wording import Wording

TEXT = some.text(alphabet="ab\u00e9\u4e16\U0001f600 e\u0301", max_size=24)


@given(text=TEXT, cuts=some.lists(some.integers(1, 3), min_size=60, max_size=60))
def test_pieces_are_the_whole(text: str, cuts: list[int]) -> None:
    tokens = tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]
    wording, pieces = Wording(tiny.tokenizer()), []
    rest = list(tokens)
    for cut in cuts:
        pieces.append(wording.add(rest[:cut]))
        rest = rest[cut:]
    pieces.append(wording.end())
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


@given(text=TEXT, stop=some.sampled_from(["a", "ab", "aab", "b\u4e16", "zz"]))
def test_a_stop_string_ends_it_and_is_never_shown(text: str, stop: str) -> None:
    wording, shown = Wording(tiny.tokenizer(), [stop]), ""
    for token in tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]:
        shown += wording.add([token])
        assert text.split(stop, maxsplit=1)[0].startswith(shown)
    shown += wording.end()
    assert shown == text.split(stop, maxsplit=1)[0]
    assert wording.stopped == (stop in text)
