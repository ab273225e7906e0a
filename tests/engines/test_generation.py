"""Where generation ends: at a stop of each prompt's own."""

import tiny
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream

PROMPTS = ["ab", "ba", "a b a"]


def test_each_text_ends_after_its_own_stop_and_the_others_go_on() -> None:
    stream, tokenizer = ResidualStream(tiny.shared("llama")), tiny.tokenizer()
    whole = Model(stream.model, tokenizer).generate(PROMPTS, None, Generation(max_new_tokens=20))
    stop = whole[0][5]
    cut = Model(stream.model, tokenizer).generate(
        PROMPTS, None, Generation(max_new_tokens=20), stop=[stop, None, None]
    )
    assert cut[0] == whole[0][: whole[0].index(stop) + 1] != whole[0]
    assert cut[1:] == whole[1:]


def test_a_stop_that_never_comes_changes_nothing() -> None:
    stream, tokenizer = ResidualStream(tiny.shared("llama")), tiny.tokenizer()
    whole = Model(stream.model, tokenizer).generate(PROMPTS, None, Generation(max_new_tokens=12))
    missing = next(letter for letter in "xyzXYZ0123" if not any(letter in text for text in whole))
    assert (
        Model(stream.model, tokenizer).generate(
            PROMPTS, None, Generation(max_new_tokens=12), stop=[missing] * 3
        )
        == whole
    )


def test_tokens_are_counted_up_to_the_end_of_each_text() -> None:
    stream, tokenizer = ResidualStream(tiny.shared("llama")), tiny.tokenizer()
    counted: list[int] = []
    (whole,) = Model(stream.model, tokenizer).generate(
        PROMPTS[:1], None, Generation(max_new_tokens=20), events=Events(on_tokens=counted.append)
    )
    stop = whole[1]
    needed = next(
        length
        for length in range(1, 20)
        if stop
        in Model(stream.model, tokenizer).generate(
            PROMPTS[:1], None, Generation(max_new_tokens=length)
        )[0]
    )
    Model(stream.model, tokenizer).generate(
        PROMPTS[:2],
        None,
        Generation(max_new_tokens=20),
        stop=[stop, None],
        events=Events(on_tokens=counted.append),
    )
    assert counted == [20, 20 + needed]
    assert needed < 20
