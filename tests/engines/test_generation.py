"""Where generation ends: at a stop of each prompt's own."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

import tiny
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import SteeringError

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
    assert counted[0] == 20
    assert sum(counted[1:]) == 20 + needed
    assert needed < 20


@settings(max_examples=12, deadline=None)
@given(
    lengths=some.lists(some.integers(1, tiny.CONTEXT - 2), min_size=2, max_size=4),
    sample=some.booleans(),
)
@example(lengths=[2, tiny.CONTEXT - 3, 2], sample=False)
def test_every_row_of_a_batch_is_what_it_is_alone(lengths: list[int], sample: bool) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    prompts = [("abc" * (size + 1))[index : index + size] for index, size in enumerate(lengths)]
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


def test_the_most_new_tokens_may_be_said_by_itself() -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    wanted = model.generate("ab", None, Generation(max_new_tokens=5))
    assert model.generate("ab", max_new_tokens=5) == wanted
    assert model.generate("ab", None, Generation(max_new_tokens=20), max_new_tokens=5) == wanted
    with pytest.raises(SteeringError, match="max_new_tokens"):
        model.generate("ab", max_new_tokens=0)


@pytest.mark.parametrize(
    "own",
    [
        {"repetition_penalty": 1.7},
        {"no_repeat_ngram_size": 2},
        {"suppress_tokens": [tiny.token("\x04")]},
        {"bad_words_ids": [[tiny.token("\x04")]]},
    ],
)
def test_what_a_checkpoint_makes_unlikely_it_does_to_each_row_alone(own: dict[str, Any]) -> None:
    hf = tiny.make("llama")
    plain = Model(hf, tiny.tokenizer()).generate(PROMPTS, max_new_tokens=12)
    hf.generation_config.update(**own)
    with Model(hf, tiny.tokenizer()) as model:
        together = model.generate(PROMPTS, max_new_tokens=12)
        assert together == [model.generate(one, max_new_tokens=12) for one in PROMPTS]
    if "no_repeat_ngram_size" not in own:
        assert together != plain


@pytest.mark.parametrize(
    "own",
    [
        {"min_length": 60},
        {"min_new_tokens": 40},
        {"max_length": 3},
        {"max_time": 1e-9},
        {"num_beams": 2},
        {"do_sample": True, "temperature": 9.0},
        {"forced_bos_token_id": tiny.token("q")},
    ],
)
def test_what_a_checkpoint_says_of_length_and_search_does_not_count(own: dict[str, Any]) -> None:
    hf = tiny.make("llama")
    wanted = Model(hf, tiny.tokenizer()).generate(PROMPTS, max_new_tokens=8)
    hf.generation_config.update(**own)
    assert Model(hf, tiny.tokenizer()).generate(PROMPTS, max_new_tokens=8) == wanted


def test_the_head_is_given_rows_without_gaps() -> None:
    """A view with gaps costs a copy of the head's weights for each prompt."""
    model = Model(tiny.make("llama"), tiny.tokenizer())
    head, seen = model.hf.get_output_embeddings(), []
    handle = head.register_forward_pre_hook(lambda _, args: seen.append(args[0].is_contiguous()))
    model.generate(["abc", "defgh", "ij"], None, Generation(max_new_tokens=3))
    handle.remove()
    assert seen
    assert all(seen)
    model.close()
    assert not head._forward_pre_hooks
