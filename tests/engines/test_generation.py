"""Where generation ends: at a stop of each prompt's own."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

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


@settings(max_examples=12, deadline=None)
@given(
    lengths=some.lists(some.integers(1, tiny.CONTEXT - 2), min_size=2, max_size=4),
    sample=some.booleans(),
)
@example(lengths=[2, tiny.CONTEXT - 3, 2], sample=False)
def test_every_row_of_a_batch_is_what_it_is_alone(lengths: list[int], sample: bool) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    prompts = [("abc" * size)[index : index + size] for index, size in enumerate(lengths)]
    options = Generation(max_new_tokens=8, sample=sample, seed=3)
    stop = ["xy", None, ["q", "zz"], None][: len(prompts)]
    together = model.generate(prompts, None, options, stop=stop)
    for prompt, mine, text in zip(prompts, stop, together, strict=True):
        if not sample or prompts.count(prompt) == 1:
            assert model.generate([prompt], None, options, stop=[mine]) == [text]


BROUGHT: list[dict[str, Any]] = [
    {"return_dict_in_generate": True, "output_scores": True},
    {"num_beams": 3, "num_return_sequences": 2},
    {"do_sample": True, "temperature": 0.1, "top_k": 3},
    {"guidance_scale": 3.0},
    {"max_length": 3},
    {"min_length": 100, "min_new_tokens": 100},
    {"cache_implementation": "static"},
    {"use_cache": False},
]


@pytest.mark.parametrize("brought", BROUGHT, ids=lambda one: next(iter(one)))
def test_what_a_checkpoint_brings_along_changes_no_answer(brought: dict[str, Any]) -> None:
    hf = tiny.make("llama")
    model = Model(hf, tiny.tokenizer())
    options = Generation(max_new_tokens=10)
    plain = model.generate(PROMPTS, None, options)
    for name, value in brought.items():
        setattr(hf.generation_config, name, value)
    assert model.generate(PROMPTS, None, options) == plain
    assert all(getattr(hf.generation_config, name) == value for name, value in brought.items())


def test_stop_strings_of_a_checkpoint_end_its_texts() -> None:
    hf = tiny.make("llama")
    model = Model(hf, tiny.tokenizer())
    (whole,) = model.generate(["ab"], None, Generation(max_new_tokens=20))
    hf.generation_config.stop_strings = [whole[2:5]]
    (cut,) = model.generate(["ab"], None, Generation(max_new_tokens=20))
    assert cut == whole[: whole.index(whole[2:5]) + 3]


def test_streamed_pieces_make_the_text() -> None:
    model, pieces = Model(tiny.shared("llama"), tiny.tokenizer()), list[str]()
    events = Events(on_text=pieces.append)
    assert model.generate("ab", None, Generation(max_new_tokens=30), events=events) == "".join(
        pieces
    )
