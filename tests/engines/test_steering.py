"""Steering equals the plain reference, row by row: families, scopes, batches, ways to run."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import reference
import tiny
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope, Window
from langsteer.engines.transformers.encoding import pad_left
from langsteer.engines.transformers.generation import Events, Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import ScopeError, SteeringError

SCOPES = ["all", "prompt", "prompt_last", "generated", "start[1:3]", "end[-2:2]", "end[1:]"]
FAMILIES = sorted(tiny.FAMILIES)
CPU = torch.device("cpu")


def shift(seed: int, size: float = 3.0) -> Shift:
    return Shift(size * torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(seed)))


def edit(seed: int = 1, scope: str = "all", strength: float = 1.0, layers: tuple = (1,)) -> Edit:
    maps = {layer: shift(seed + layer) for layer in layers}
    return Edit(maps, strength=strength, scope=Scope.parse(scope))


def run(stream: ResidualStream, prompts: list[list[int]], edits: object, **options: object):
    """Token sequences without padding and the logits of each step [steps, rows, vocabulary]."""
    batch = pad_left(prompts, tiny.PAD, CPU)
    settings = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, **options}
    with steering(stream, edits):
        out = stream.model.generate(
            **batch,
            pad_token_id=tiny.PAD,
            return_dict_in_generate=True,
            output_logits=True,
            **settings,
        )
    width = batch["input_ids"].shape[1]
    copies = len(out.sequences) // len(prompts)
    rows = [
        prompts[row // copies] + tokens[width:].tolist() for row, tokens in enumerate(out.sequences)
    ]
    return rows, torch.stack(out.logits) if out.logits else None


def assert_as_reference(
    stream: ResidualStream,
    prompts: list[list[int]],
    edits: list[Edit | None],
    rows: list[list[int]],
    found: Tensor,
) -> None:
    """Every step's logits are those of the whole sequence, recomputed alone without a cache."""
    copies = len(rows) // len(prompts)
    for row, ids in enumerate(rows):
        prompt = prompts[row // copies]
        wanted = reference.logits(stream, ids, len(prompt), edits[row // copies], tiny.BOS)[
            len(prompt) - 1 : -1
        ]
        scale = wanted.abs().max()
        torch.testing.assert_close(found[:, row] / scale, wanted / scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_generation_equals_the_plain_reference(family: str, cached: bool) -> None:
    stream = ResidualStream(tiny.shared(family))
    prompts = [[tiny.BOS, 5, 6, 7, 8, 9], [11, 12, 13], [tiny.BOS, 14, 15, 16], [21, 22, 23, 24]]
    edits = [edit(1, "generated", 1.5), None, edit(2, "all", layers=(0, 2)), edit(3, "prompt")]
    rows, found = run(stream, prompts, edits, use_cache=cached)
    assert_as_reference(stream, prompts, edits, rows, found)


scopes = st.sampled_from(SCOPES).map(Scope.parse)
some_edits = st.one_of(
    st.none(),
    st.builds(
        lambda seed, scope, strength, layers: Edit(
            {layer: shift(seed + layer) for layer in layers}, strength, scope
        ),
        st.integers(0, 3),
        scopes,
        st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
        st.sets(st.integers(0, tiny.DEPTH - 1), min_size=1),
    ),
)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(FAMILIES),
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 255), min_size=2, max_size=7), some_edits),
        min_size=1,
        max_size=4,
    ),
)
def test_any_batch_equals_the_plain_reference(family: str, drawn: list) -> None:
    stream = ResidualStream(tiny.shared(family))
    prompts = [[tiny.BOS, *ids] if bos else ids for bos, ids, _ in drawn]
    edits = [edit for _, _, edit in drawn]
    rows, found = run(stream, prompts, edits)
    assert_as_reference(stream, prompts, edits, rows, found)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scope", SCOPES[:4])
def test_strength_zero_is_the_unsteered_model_bit_for_bit(
    family: str, dtype: torch.dtype, scope: str
) -> None:
    stream = ResidualStream(tiny.shared(family, dtype))
    ids = torch.randint(0, 255, (3, 5), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = stream.model(ids).logits
        zero, full = edit(1, scope, strength=0.0), edit(1, scope)
        with steering(stream, zero):
            assert torch.equal(stream.model(ids).logits, wanted)
        with steering(stream, [zero, full, None]):
            mixed = stream.model(ids).logits
    assert torch.equal(mixed[[0, 2]], wanted[[0, 2]])
    assert not torch.equal(mixed[1], wanted[1])


def test_unsteered_rows_keep_the_sign_of_zero() -> None:
    """`-0.0 + 0.0` is `0.0`: adding a row of zeros is not leaving the row alone."""
    model = tiny.make("llama")
    stream = ResidualStream(model)
    seen = {}
    stream.layers[1].register_forward_hook(
        lambda *call: torch.full_like(call[-1], -0.0), prepend=True
    )
    ids = torch.tensor([[1, 2], [3, 4]])
    with steering(stream, [edit(), None]):
        stream.visit(ids, None, [1], lambda layer, hidden: seen.setdefault(layer, hidden.clone()))
    assert bool(torch.signbit(seen[1][1]).all())


def test_rows_with_different_maps_in_one_batch() -> None:
    stream = ResidualStream(tiny.shared("llama"))
    tokenizer = tiny.tokenizer()
    texts = ["hello world", "ab", "a longer one still", "ab"]
    edits = [edit(1, "generated", 3.0), None, edit(2, "all", 2.0), edit(5, "prompt_last", 4.0)]
    together = Model(stream.model, tokenizer).generate(texts, edits, Generation(max_new_tokens=8))
    alone = [
        Model(stream.model, tokenizer).generate([text], row, Generation(max_new_tokens=8))[0]
        for text, row in zip(texts, edits, strict=True)
    ]
    assert together == alone
    assert len(set(together)) == len(together)


def test_prompts_come_back_in_order_from_small_batches() -> None:
    stream = ResidualStream(tiny.shared("gpt2"))
    texts = ["hello world", "ab", "a longer one still", "abcd"]
    one = Model(stream.model, tiny.tokenizer()).generate(
        texts, edit(), Generation(max_new_tokens=4, tokens_per_batch=20)
    )
    assert one == Model(stream.model, tiny.tokenizer()).generate(
        texts, edit(), Generation(max_new_tokens=4)
    )


def test_sampling_with_a_seed_repeats_and_leaves_the_global_generator_alone() -> None:
    stream = ResidualStream(tiny.shared("llama"))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    options = {"sample": True, "temperature": 2.0, "max_new_tokens": 10}
    texts = [
        Model(stream.model, tiny.tokenizer()).generate(
            ["hello"], edit(), Generation(seed=seed, **options)
        )
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_streaming_gives_the_same_text_in_pieces() -> None:
    stream = ResidualStream(tiny.shared("llama"))
    pieces: list[str] = []
    text = Model(stream.model, tiny.tokenizer()).generate(
        ["hello"], edit(), Generation(max_new_tokens=12), events=Events(on_text=pieces.append)
    )
    assert "".join(pieces) == text[0]
    assert len(pieces) > 1


def test_an_answer_ends_where_the_context_is_full() -> None:
    stream = ResidualStream(tiny.shared("gpt2"))
    text = Model(stream.model, tiny.tokenizer()).generate(
        ["a" * (tiny.CONTEXT - 3)], edit(), Generation(max_new_tokens=9)
    )
    assert len(tiny.tokenizer()(text[0], add_special_tokens=False)["input_ids"]) <= 6


def test_edits_that_do_not_fit_are_errors() -> None:
    stream = ResidualStream(tiny.shared("llama"))
    ids = torch.tensor([[1, 2, 3]])
    cases = [
        (Edit({3: shift(1)}), "layer 3 is outside the model, which has 3 layers"),
        (Edit({-1: shift(1)}), "layer -1 is outside the model"),
        (Edit({1: Shift(torch.ones(7))}), "width 7, but the model's are 16"),
        ([edit(), edit()], "2 edits were given for 1 prompts"),
    ]
    for wrong, message in cases:
        with pytest.raises(SteeringError, match=message), steering(stream, wrong):
            stream.model(ids)
    with pytest.raises(SteeringError, match="finite number, not nan"):
        edit(strength=float("nan"))


def test_prompts_that_do_not_fit_are_errors() -> None:
    stream, tokenizer = ResidualStream(tiny.shared("llama")), tiny.tokenizer()
    with pytest.raises(SteeringError, match="a prompt is empty"):
        Model(stream.model, tokenizer).generate(["ab", ""], edit())
    with pytest.raises(SteeringError, match=f"context holds {tiny.CONTEXT}"):
        Model(stream.model, tokenizer).generate(["a" * tiny.CONTEXT], edit())
    with pytest.raises(SteeringError, match="1 edits were given for 2 prompts"):
        Model(stream.model, tokenizer).generate(["ab", "cd"], [edit()])


def test_scopes_by_name_are_windows() -> None:
    for name in SCOPES:
        assert str(Scope.parse(name)) == name
    assert Scope.parse("prompt_last").windows == (Window("end", -1, 0),)
    assert Scope.parse("start[0:2] + end[-1:]").windows == (
        Window("start", 0, 2),
        Window("end", -1),
    )


@pytest.mark.parametrize("text", ["answer", "", "start[2:2]", "start[-1:]", "end[3:1]", "end[a:b]"])
def test_a_scope_that_is_none_or_selects_nothing_is_an_error(text: str) -> None:
    with pytest.raises(ScopeError):
        Scope.parse(text)


def test_a_scope_that_selects_nothing_in_a_prompt_is_an_error() -> None:
    stream = ResidualStream(tiny.shared("llama"))
    for scope, ids in [("end[-9:-5]", [1, 2, 3]), ("prompt", [tiny.BOS])]:
        with pytest.raises(ScopeError, match=r"selects nothing in prompt 0, which has \d tokens"):
            run(stream, [ids], edit(scope=scope))


def test_token_sets_and_exclusions() -> None:
    """Exclusions win; generated tokens are looked at too."""
    stream = ResidualStream(tiny.shared("llama"))
    prompts = [[tiny.BOS, 5, 6, 7, 5, 9], [5, 12, 13]]
    free = edit(scope="all", strength=2.0)
    _, _ = run(stream, prompts, free)
    only = replace(free, scope=Scope(tokens=frozenset({5, 6, 13}), excluded=frozenset({6})))
    rows, found = run(stream, prompts, only)
    assert_as_reference(stream, prompts, [only, only], rows, found)
    made = frozenset(rows[0][6:8])
    some = replace(free, scope=Scope(excluded=made | {5}))
    rows, found = run(stream, prompts, [some, None])
    assert_as_reference(stream, prompts, [some, None], rows, found)
    with pytest.raises(ScopeError, match="no token that it does not also exclude"):
        Scope(tokens=frozenset({5}), excluded=frozenset({5, 6}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_restored_norms_are_those_from_before(dtype: torch.dtype) -> None:
    stream = ResidualStream(tiny.shared("llama", dtype))
    ids = torch.tensor([[5, 6, 7], [8, 9, 10]])
    (before,) = stream.read(ids, None, [1])
    with steering(stream, replace(edit(strength=5.0), restore_norm=True)):
        (after,) = stream.read(ids, None, [1])
    assert not torch.allclose(before, after)
    tolerance = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(
        after.float().norm(dim=-1), before.float().norm(dim=-1), rtol=tolerance, atol=0
    )


def test_an_edit_cannot_push_float16_out_of_its_range() -> None:
    stream = ResidualStream(tiny.shared("llama", torch.float16))
    big = Edit({1: Shift(torch.full((tiny.WIDTH,), 6e4))}, strength=1.0)
    ids = torch.tensor([[5, 6, 7]])
    with steering(stream, Edit({0: big.maps[1], 1: big.maps[1]})):
        (after,) = stream.read(ids, None, [1])
    assert bool(after.isfinite().all())
    with (
        pytest.raises(SteeringError, match=r"not finite in torch\.float16; lower the strength"),
        steering(stream, replace(big, strength=2.0)),
    ):
        stream.model(ids)
