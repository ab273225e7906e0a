"""The traps of editing a residual stream: each with the naive way that falls in, and ours."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import tiny
from langsteer.errors import SteeringError
from langsteer.maps import Shift
from langsteer.residual import ResidualStream
from langsteer.steering import Edit, Scope, steering
from test_steering import assert_as_reference, edit, run, shift

PROMPTS = [[tiny.BOS, 5, 6, 7, 8, 9], [11, 12, 13]]


def llama() -> ResidualStream:
    return ResidualStream(tiny.shared("llama"))


@contextlib.contextmanager
def naive(block: nn.Module, change) -> Iterator[None]:
    """A hook on one block for the time of the context, as everybody writes it first."""
    handle = block.register_forward_hook(lambda module, args, output: change(output))
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def counting(block: nn.Module, vector: Tensor, prompt: int) -> Iterator[None]:
    """The naive `generated` scope: count the tokens that went by; edit from `prompt` on."""
    seen = 0

    def change(hidden: Tensor) -> Tensor:
        nonlocal seen
        column = torch.arange(seen, seen + hidden.shape[1])
        seen += hidden.shape[1]
        return hidden + vector * (column >= prompt)[None, :, None]

    with naive(block, change):
        yield


def plain(stream: ResidualStream, prompts: list[list[int]], **options):
    return run(stream, prompts, None, **options)


def matches(stream, prompts, edits, rows, found) -> bool:
    try:
        assert_as_reference(stream, prompts, edits, rows, found)
    except AssertionError:
        return False
    return True


def test_01_output_type() -> None:
    """Blocks return a tensor or a tuple; indexing a tensor takes its first row."""
    stream = llama()
    with naive(stream.blocks[1], lambda output: output[0]), pytest.raises(RuntimeError):
        stream.model(torch.tensor([[1, 2], [3, 4]]))
    model = tiny.make("llama")
    stream = ResidualStream(model)
    bound = stream.blocks[1]
    inner = bound.forward
    bound.forward = lambda *a, **k: (inner(*a, **k), None)
    after = model.model.layers[2].forward
    model.model.layers[2].forward = lambda hidden, *a, **k: after(hidden[0], *a, **k)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad(), steering(stream, edit()):
        tupled = model(ids, use_cache=False).logits
        bound.forward, model.model.layers[2].forward = inner, after
        assert torch.equal(tupled, model(ids, use_cache=False).logits)


def test_04_one_token_is_not_a_phase() -> None:
    """A prompt may have one token; taking `T == 1` for decoding edits it as generated."""
    stream, vector = llama(), shift(2).vector * 2
    only = Edit({1: Shift(vector)}, scope=Scope.parse("end[0:]"))
    with naive(stream.blocks[1], lambda h: h + vector if h.shape[1] == 1 else h):
        rows, found = plain(stream, [[5]])
    assert not matches(stream, [[5]], [only], rows, found)
    rows, found = run(stream, [[5]], only)
    assert matches(stream, [[5]], [only], rows, found)


def test_04_without_a_cache_the_counter_runs_away() -> None:
    stream = llama()
    after = edit(1, "end[0:]")
    with counting(stream.blocks[1], after.maps[1].vector, 6):
        rows, found = plain(stream, PROMPTS[:1], use_cache=False)
    assert not matches(stream, PROMPTS[:1], [after], rows, found)
    rows, found = run(stream, PROMPTS[:1], after, use_cache=False)
    assert matches(stream, PROMPTS[:1], [after], rows, found)


@pytest.mark.parametrize("scope", ["generated", "prompt_last", "start[1:3]", "prompt"])
def test_04_chunked_prefill(scope: str) -> None:
    """The first forward is not the prompt: its last position is not the prompt's last."""
    stream = llama()
    given = edit(1, scope, 2.0)
    vector = 2 * given.maps[1].vector

    def last(hidden: Tensor) -> Tensor:
        edited = hidden.clone()
        edited[:, -1] += vector
        return edited

    with naive(stream.blocks[1], last):
        rows, found = plain(stream, PROMPTS[:1], prefill_chunk_size=2)
    assert not matches(stream, PROMPTS[:1], [given], rows, found)
    rows, found = run(stream, PROMPTS, given, prefill_chunk_size=2)
    assert matches(stream, PROMPTS, [given, given], rows, found)


@pytest.mark.parametrize("scope", ["generated", "prompt", "end[1:3]"])
def test_05_prompt_lookup_rolls_the_cache_back(scope: str) -> None:
    """Drafts come with the prompt and are taken back: a counter of tokens drifts."""
    stream, prompt = llama(), [5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6]
    given = edit(1, scope, 2.0)
    wanted, _ = run(stream, [prompt], given, max_new_tokens=8)
    found, _ = run(stream, [prompt], given, max_new_tokens=8, prompt_lookup_num_tokens=3)
    assert found == wanted
    if scope != "end[1:3]":
        return
    far = Edit({1: Shift(given.maps[1].vector * 2)}, scope=Scope.parse("end[0:]"))
    wanted, _ = run(stream, [prompt], far, max_new_tokens=8)
    with counting(stream.blocks[1], far.maps[1].vector, len(prompt)):
        drifted, _ = plain(stream, [prompt], max_new_tokens=8, prompt_lookup_num_tokens=3)
    found, _ = run(stream, [prompt], far, max_new_tokens=8, prompt_lookup_num_tokens=3)
    assert found == wanted
    assert isinstance(drifted, list)


def test_05_assisted_decoding() -> None:
    stream, given = llama(), edit(1, "generated", 2.0)
    wanted, _ = run(stream, PROMPTS[:1], given, max_new_tokens=8)
    assistant = tiny.make("llama", seed=3)
    found, _ = run(stream, PROMPTS[:1], given, max_new_tokens=8, assistant_model=assistant)
    assert found == wanted


def test_06_the_first_generated_token_is_decided_at_the_last_prompt_position() -> None:
    stream = llama()
    given = edit(1, "generated", 3.0)
    _, unsteered = plain(stream, PROMPTS[:1])
    with counting(stream.blocks[1], 3 * given.maps[1].vector, 6):
        _, late = plain(stream, PROMPTS[:1])
    assert torch.equal(late[0], unsteered[0]), "the naive way leaves the first token unsteered"
    rows, found = run(stream, PROMPTS[:1], given)
    assert not torch.equal(found[0], unsteered[0])
    assert matches(stream, PROMPTS[:1], [given], rows, found)


def test_07_padding_is_never_edited_and_counts_for_nothing() -> None:
    """Columns are not positions: on the left of a short row stands padding."""
    stream, given = llama(), edit(1, "start[1:2]", 3.0)

    def second(hidden: Tensor) -> Tensor:
        edited = hidden.clone()
        if hidden.shape[1] > 1:
            edited[:, 1] += 3 * given.maps[1].vector
        return edited

    with naive(stream.blocks[1], second):
        rows, found = plain(stream, PROMPTS)
    assert not matches(stream, PROMPTS, [given, given], rows, found)
    rows, found = run(stream, PROMPTS, given)
    assert matches(stream, PROMPTS, [given, given], rows, found)


def test_07_reading_left_padded_rows_needs_positions() -> None:
    model = tiny.shared("gpt2")
    stream = ResidualStream(model)
    ids = torch.tensor([[0, 0, 5, 6, 7]])
    mask = torch.tensor([[0, 0, 1, 1, 1]])
    (alone,) = stream.read(ids[:, 2:], None, [1])
    (padded,) = stream.read(ids, mask, [1])
    torch.testing.assert_close(padded[:, 2:], alone, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        wrong = model(ids, attention_mask=mask, output_hidden_states=True).hidden_states[2]
    assert not torch.allclose(wrong[:, 2:], alone, atol=1e-2)


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3},
        {"do_sample": True, "num_return_sequences": 3},
        {"num_beams": 4, "num_return_sequences": 2},
    ],
)
def test_08_beams_and_returned_sequences_keep_their_prompts_edit(options: dict) -> None:
    """Rows are `prompt · k + copy`: a table by row would give the second prompt's edit away."""
    stream, edits = llama(), [edit(1, "generated", 3.0), None]
    torch.manual_seed(0)
    with steering(stream, edits):
        seen = []
        with stream.tap.reading(lambda i, h: seen.append(h.clone()) if i == 1 else None):
            run_in(stream, options)
    torch.manual_seed(0)
    bare: list[Tensor] = []
    with stream.tap.reading(lambda i, h: bare.append(h.clone()) if i == 1 else None):
        run_in(stream, options)
    copies = len(seen[0]) // 2
    assert copies > 1
    change = seen[0][:, -1] - bare[0][:, -1]
    assert bool((change[:copies].abs() > 0).any(-1).all())
    assert not bool(change[copies:].any())


def run_in(stream: ResidualStream, options: dict) -> None:
    settings = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    stream.model.generate(torch.tensor([[5, 6, 7], [8, 9, 10]]), **{**settings, **options})


def test_08_rows_that_do_not_divide_are_refused() -> None:
    stream = llama()
    prompt = {"input_ids": torch.tensor([[1, 2], [3, 4]])}
    with (
        pytest.raises(SteeringError, match="3 rows does not fit 2 prompts"),
        steering(stream, edit(), prompt=prompt),
    ):
        stream.model(torch.ones(3, 2, dtype=torch.long))


def test_09_packed_sequences_are_refused() -> None:
    stream = llama()
    ids, positions = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[0, 1, 0, 1]])
    with steering(stream, edit()):
        with pytest.raises(SteeringError, match="packed sequences cannot be steered"):
            stream.model(ids, position_ids=positions)
        with pytest.raises(SteeringError, match="generate_batch packs all sequences"):
            stream.model.generate_batch([[1, 2], [3]])


def test_11_the_artifact_in_float32_does_not_promote_the_stream() -> None:
    stream = ResidualStream(tiny.shared("llama", torch.bfloat16))
    ids = torch.tensor([[1, 2, 3]])
    with (
        naive(stream.blocks[1], lambda h: h + shift(1).vector),
        pytest.raises(RuntimeError, match="dtype"),
        torch.no_grad(),
    ):
        stream.model(ids)
    with torch.no_grad(), steering(stream, edit()):
        assert stream.model(ids).logits.dtype == torch.bfloat16


def test_13_compiled_before_or_after() -> None:
    """A hook added after the first compiled call would be ignored without a word."""
    model = tiny.make("llama")
    ids = torch.tensor([[1, 2, 3]])
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        before = compiled(ids, use_cache=False).logits
        stream = ResidualStream(compiled)
        for strength in (1.0, 2.0):
            with steering(stream, edit(strength=strength)):
                found = compiled(ids, use_cache=False).logits
                wanted = model(ids, use_cache=False).logits
            torch.testing.assert_close(found, wanted)
            assert not torch.allclose(found, before)
        torch.testing.assert_close(compiled(ids, use_cache=False).logits, before)


def test_13_static_cache() -> None:
    """The mask that reaches the model has four dimensions; the padding is known all the same."""
    stream, edits = llama(), [edit(1, "generated", 2.0), edit(2, "all")]
    rows, found = run(stream, PROMPTS, edits, cache_implementation="static")
    assert matches(stream, PROMPTS, edits, rows, found)


def test_14_readers_see_the_edited_stream_and_nothing_is_written_in_place() -> None:
    stream = llama()
    ids = torch.tensor([[1, 2, 3]])
    (before,) = stream.read(ids, None, [1])
    with steering(stream, edit()):
        (after,) = stream.read(ids, None, [1])
    torch.testing.assert_close(after - before, edit().maps[1].vector.expand_as(before))


def test_15_an_exception_leaves_nothing_behind() -> None:
    stream = llama()
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        wanted = stream.model(ids).logits
        with pytest.raises(IndexError), steering(stream, edit()):
            stream.model(torch.tensor([[10_000]]))
        assert torch.equal(stream.model(ids).logits, wanted)
        with steering(stream, edit()):
            with pytest.raises(IndexError):
                stream.model(torch.tensor([[10_000]]))
            assert stream.model(torch.tensor([[5, 6], [7, 8]])).logits.shape[0] == 2


def test_15_nested_steering_takes_the_place_of_the_outer() -> None:
    stream, ids = llama(), torch.tensor([[1, 2, 3]])

    def logits(*edits: Edit | None) -> Tensor:
        with contextlib.ExitStack() as stack, torch.no_grad():
            for one in edits:
                stack.enter_context(steering(stream, one))
            return stream.model(ids).logits

    first, second = edit(1), edit(2)
    assert torch.equal(logits(first, second), logits(second))
    assert torch.equal(logits(first, None), logits())
    with steering(stream, first):
        logits(second)
        with torch.no_grad():
            assert torch.equal(stream.model(ids).logits, logits(first))


def test_15_threads_do_not_see_each_other() -> None:
    stream = llama()
    edits = [edit(1, "generated", 3.0), None, edit(2, "all", 2.0)]
    wanted = [run(stream, PROMPTS, one, max_new_tokens=6)[0] for one in edits]
    wrong: list[int] = []

    def work(which: int) -> None:
        for _ in range(5):
            if run(stream, PROMPTS, edits[which], max_new_tokens=6)[0] != wanted[which]:
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(n % 3,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_16_a_cache_from_another_edit_is_noticed() -> None:
    stream, ids = llama(), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        with steering(stream, edit(1)):
            cache = stream.model(ids, use_cache=True).past_key_values
        with steering(stream, edit(2)):
            with pytest.warns(UserWarning, match="under another edit"):
                mixed = stream.model(torch.tensor([[4]]), past_key_values=cache).logits
            whole = stream.model(torch.tensor([[1, 2, 3, 4]])).logits
        assert not torch.allclose(mixed[0, -1], whole[0, -1], atol=1e-3), "it is not the same"


def test_17_gradients_flow_through_an_edit() -> None:
    model = tiny.make("llama")
    stream = ResidualStream(model)
    with steering(stream, edit()):
        model(torch.tensor([[1, 2, 3]]), use_cache=False).logits.sum().backward()
    assert bool(model.get_input_embeddings().weight.grad.any())


def test_19_a_templated_prompt_gets_no_second_beginning() -> None:
    from langsteer.steering.generation import encode

    tokenizer = tiny.tokenizer()
    assert tokenizer("<s>ab")["input_ids"].count(tiny.BOS) == 2, "the naive way doubles it"
    assert encode(tokenizer, "<s>ab", None) == encode(tokenizer, "ab", None)
    assert encode(tokenizer, "ab", None).count(tiny.BOS) == 1


def test_21_a_block_that_did_not_run_is_noticed() -> None:
    model = tiny.make("llama")
    stream = ResidualStream(model)
    model.model.layers[2]._forward_hooks.clear()
    with (
        pytest.raises(SteeringError, match="block 2 was to be edited but did not run"),
        steering(stream, edit(layers=(2,))),
    ):
        model(torch.tensor([[1, 2, 3]]))


def test_manual_decoding_with_a_declared_prompt() -> None:
    """A loop of one's own says what its prompt is; with it, no cache is needed."""
    stream, given = llama(), edit(1, "generated", 2.0)
    ids = torch.tensor([PROMPTS[0]])
    wanted, _ = run(stream, PROMPTS[:1], given)
    for cached in (True, False):
        with torch.no_grad(), steering(stream, given, prompt={"input_ids": ids}):
            made, out, new = ids, None, ids
            for _ in range(4):
                cache = out.past_key_values if cached and out is not None else None
                out = stream.model(new if cached else made, past_key_values=cache, use_cache=cached)
                new = out.logits[:, -1:].argmax(-1)
                made = torch.cat([made, new], dim=1)
        assert made[0].tolist() == wanted[0]


def test_scopes_are_per_row_and_edits_can_be_replaced() -> None:
    stream = llama()
    edits = [edit(1, "prompt_last", 3.0), replace(edit(1), scope=Scope.parse("end[1:2]"))]
    rows, found = run(stream, PROMPTS, edits)
    assert matches(stream, PROMPTS, edits, rows, found)
