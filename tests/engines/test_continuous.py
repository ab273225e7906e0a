"""Rows that enter and leave a batch are what they are alone, whatever runs beside them."""

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

import tiny
from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.edits.maps.clamp import Clamp
from langsteer.edits.maps.shift import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.beginning import shared_tokens
from langsteer.engines.transformers.chat import Rendered, render
from langsteer.engines.transformers.continuous import can_decode, write_all
from langsteer.engines.transformers.decoding import Continuation, Decoder
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.sampling import Sampling, row_seeds

START = "what all of them begin with: "
TEXTS = ("a", "bc d", "hello there", "one two three four five six")
JOINED = ["llama", "mistral", "qwen2", "gemma2", "gemma3", "gpt2", "gpt_neox", "phi", "bloom"]


@cache
def loaded(family: str) -> Model:
    if family.endswith(" wide"):  # a window that holds what is shared
        model = tiny.make(family.removesuffix(" wide"), sliding_window=64)
        return Model(model, tiny.tokenizer())
    return Model(tiny.shared(family), tiny.tokenizer())


def shift(seed: int, size: float = 2.0) -> Shift:
    generator = torch.Generator().manual_seed(seed)
    return Shift(size * torch.randn(tiny.WIDTH, generator=generator))


def guard(layer: int) -> Guard:
    generator = torch.Generator().manual_seed(5)
    directions = torch.randn(tiny.WIDTH, 1, generator=generator)
    return Guard("fr", layer, directions, torch.zeros(1), window=3, margin=0.1, reach=2)


@cache
def edits() -> tuple[Edit | None, ...]:
    direction = torch.zeros(tiny.WIDTH)
    direction[3] = 1.0
    return (
        None,
        Edit({1: shift(1)}),
        Edit({0: shift(2), 2: shift(3)}, 0.5, Scope.parse("generated")),
        Edit({1: shift(1)}, -1.0, Scope.parse("prompt")),
        Edit({1: shift(4)}, 1.0, Scope.parse("start[0:2]+end[2:5]")),
        Edit({2: shift(5)}, 1.0, Scope(tokens=frozenset(range(0, 256, 2)))),
        Edit({1: shift(6)}, 1.5, guard=guard(1)),
        Edit({0: Clamp(direction, 2.0), 1: shift(7)}, restore_norm=True),
        Edit({1: shift(1)}, 0.0),
        Edit({1: shift(6)}, 1.5, Scope.parse("generated"), guard=guard(1)),
    )


def prompt(text: str) -> Rendered:
    return render(tiny.tokenizer(), text)


@cache
def alone(family: str, text: str, edit: int, room: int) -> str:
    """What transformers' own loop writes of this prompt by itself."""
    one = Generation(max_new_tokens=room)
    return loaded(family).generate(text, edits()[edit], one)


def text_of(row: Continuation) -> str:
    return str(tiny.tokenizer().decode(row.new, skip_special_tokens=True))


@pytest.mark.parametrize("family", JOINED)
def test_the_usual_families_can_be_joined(family: str) -> None:
    assert can_decode(loaded(family))


@pytest.mark.parametrize("family", JOINED)
@settings(max_examples=12, deadline=None)
@given(
    asked=some.lists(
        some.tuples(
            some.sampled_from(TEXTS), some.integers(0, 9), some.integers(1, 14), some.integers(0, 9)
        ),
        min_size=1,
        max_size=7,
    )
)
def test_every_row_is_what_it_is_alone(family: str, asked: list[Any]) -> None:
    model = loaded(family)
    decoder = Decoder(model, [tiny.EOS])
    rows = [Continuation(prompt(text), edits()[edit], room) for text, edit, room, _ in asked]
    waiting = sorted(range(len(rows)), key=lambda row: asked[row][3])
    for step in range(40):
        entering = [rows[row] for row in waiting if asked[row][3] == step]
        if entering:
            decoder.admit(entering)
        decoder.step()
    assert not decoder.rows
    for row, (text, edit, room, _) in zip(rows, asked, strict=True):
        assert text_of(row) == alone(family, text, edit, room)
        assert row.end == ("end" if row.new[-1] == tiny.EOS else "length")


@pytest.mark.parametrize("family", [*JOINED, "gemma3 wide"])
@settings(max_examples=8, deadline=None)
@given(
    asked=some.lists(
        some.tuples(some.sampled_from(TEXTS), some.sampled_from([0, 2, 4, 5, 8, 9])),
        min_size=2,
        max_size=5,
    )
)
def test_what_prompts_begin_with_is_read_once(family: str, asked: list[Any]) -> None:
    model = loaded(family)
    found = model.generate(
        [START + text for text, _ in asked], [edits()[edit] for _, edit in asked], Generation(6)
    )
    assert found == [alone(family, START + text, edit, 6) for text, edit in asked]


def test_only_what_no_edit_and_no_guard_sees_is_shared() -> None:
    def counts(*edited: int, texts: tuple[str, ...] = TEXTS[:3]) -> list[int] | None:
        rows = [
            Continuation(prompt(START + text), edits()[edit], 3)
            for text, edit in zip(texts, edited, strict=True)
        ]
        return shared_tokens(rows, frozenset([tiny.BOS]))

    size = len(START) + 1
    assert counts(0, 2, 8) == [size - 10, size - 7, size]
    assert counts(0, 2, 9, texts=("a", "a", "a")) == [size + 1 - 3] * 3
    assert counts(0, 1, 0) is None


def test_it_takes_fewer_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded("llama")
    assert can_decode(model)
    read: list[int] = []
    forward = Decoder._forward

    def noted(self: Decoder, ids: Any, mask: Any, cache: Any) -> Any:
        read.append(ids.numel())
        return forward(self, ids, mask, cache)

    monkeypatch.setattr(Decoder, "_forward", noted)
    model.generate([START + text for text in TEXTS[:3]], edits()[2], Generation(1))
    assert read == [len(START) + 1, 3 * len(TEXTS[2])]


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_who_leaves_early_is_no_loss_to_the_others(family: str) -> None:
    decoder = Decoder(loaded(family), [tiny.EOS])
    rows = [Continuation(prompt(text), edits()[6], 12) for text in TEXTS]
    decoder.admit(rows)
    decoder.step()
    decoder.drop(rows[3:])
    decoder.drop(rows[:1])
    while decoder.rows:
        decoder.step()
    assert len(rows[3].new) == 2
    assert rows[3].end is None
    assert text_of(rows[1]) == alone(family, TEXTS[1], 6, 12)
    assert text_of(rows[2]) == alone(family, TEXTS[2], 6, 12)


@pytest.mark.parametrize("edit", [0, 2, 3, 6])
def test_given_tokens_are_written_whatever_the_model_says(edit: int) -> None:
    decoder = Decoder(loaded("llama"), [tiny.EOS])
    taken = tuple(tiny.token(letter) for letter in "xyz")
    rows = [Continuation(prompt(TEXTS[2]), edits()[edit], 9, given=taken), *(
        Continuation(prompt(text), None, 9) for text in TEXTS[:2]
    )]  # fmt: skip
    decoder.admit(rows)
    while decoder.rows:
        decoder.step()
    with torch.no_grad(), loaded("llama").steered(
        edits()[edit], prompt={"input_ids": torch.tensor([prompt(TEXTS[2]).ids])}
    ):  # fmt: skip
        ids = [*prompt(TEXTS[2]).ids, *taken]
        for _ in range(9 - len(taken)):
            ids.append(int(loaded("llama").hf(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == tiny.EOS:
                break
    assert rows[0].new == ids[len(prompt(TEXTS[2]).ids) :]
    assert text_of(rows[1]) == alone("llama", TEXTS[0], 0, 9)


@pytest.mark.parametrize(
    "own",
    [
        {"repetition_penalty": 1.7},
        {"no_repeat_ngram_size": 2},
        {"suppress_tokens": list(range(0, 256, 3))},
        {"begin_suppress_tokens": list(range(0, 256, 2))},
        {"bad_words_ids": [[token] for token in range(0, 256, 5)]},
        {"sequence_bias": {(token,): 3.0 for token in range(40, 60)}},
    ],
    ids=lambda own: next(iter(own)),
)
@pytest.mark.parametrize("sample", [False, True])
def test_a_checkpoints_own_penalties_count_as_in_its_own_loop(own: dict, sample: bool) -> None:
    with Model(tiny.make("llama"), tiny.tokenizer()) as model:
        plain = model.generate(list(TEXTS), edits()[1], Generation(16))
        for name, value in own.items():
            setattr(model.hf.generation_config, name, value)
        assert can_decode(model)
        options = Generation(16, sample=sample, temperature=0.7, top_p=0.9, seed=3)
        found = model.generate(list(TEXTS), edits()[1], options)
        assert found == [model.generate(text, edits()[1], options) for text in TEXTS]
        assert found != plain


def test_a_setting_that_is_not_known_here_is_left_to_transformers() -> None:
    with Model(tiny.make("llama"), tiny.tokenizer()) as model:
        model.hf.generation_config.forced_eos_token_id = tiny.EOS
        assert not can_decode(model)
        assert len(model.generate(list(TEXTS), edits()[1], Generation(5))) == len(TEXTS)


def test_a_model_that_keeps_no_keys_and_values_is_left_to_transformers() -> None:
    model = loaded("mamba")
    assert not can_decode(model)
    found = model.generate(list(TEXTS), edits()[1], Generation(5))
    assert found[1] == model.generate(TEXTS[1], edits()[1], Generation(5))


def test_draws_do_not_depend_on_the_rows_beside() -> None:
    model = loaded("qwen2")
    prompts = [prompt(text) for text in TEXTS]
    seeds = row_seeds(9, [one.ids for one in prompts])
    options = Generation(12, sample=True, temperature=0.8, top_p=0.8, seed=9)
    rows = [
        Continuation(one, edits()[2], 12, Sampling(0.8, 0.8, [seed]))
        for one, seed in zip(prompts, seeds, strict=True)
    ]
    write_all(model, rows, [tiny.EOS], 60, lambda _: None)
    assert [text_of(row) for row in rows] == [
        model.generate(text, edits()[2], options) for text in TEXTS
    ]


def test_guards_count_what_they_count_alone() -> None:
    model = loaded("llama")

    def counts(texts: list[list[str]]) -> tuple[int, int]:
        own = guard(1)
        edit = Edit({1: shift(6)}, 1.5, guard=own)
        for some_texts in texts:
            model.generate(some_texts, edit, Generation(9))
        return own.stats.acted, own.stats.selected

    together = counts([list(TEXTS)])
    assert together == counts([[text] for text in TEXTS])
    assert 0 < together[0] < together[1]


def test_a_budget_of_tokens_holds_and_places_are_taken_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = loaded("llama")
    passes: list[tuple[int, int]] = []
    forward = Decoder._forward

    def noted(self: Decoder, ids: Any, mask: Any, cache: Any) -> Any:
        passes.append(tuple(mask.shape))
        return forward(self, ids, mask, cache)

    assert can_decode(model)
    monkeypatch.setattr(Decoder, "_forward", noted)
    ended: list[int] = []
    texts = [TEXTS[at % 3] for at in range(30)]
    options = Generation(10, tokens_per_batch=120)
    found = model.generate(texts, edits()[1], options, events=Events(on_batch=ended.append))
    assert max(rows * columns for rows, columns in passes) <= 120
    assert sum(ended) == 30
    assert found[:3] == found[3:6]
    assert len(passes) < 30 * 10 / 3


def test_a_failing_edit_is_refused_before_anything_runs() -> None:
    decoder = Decoder(loaded("llama"), [tiny.EOS])
    with pytest.raises(Exception, match="layer 9 is outside"):
        decoder.admit([Continuation(prompt("a"), Edit({9: shift(1)}), 3)])
    assert not decoder.rows
