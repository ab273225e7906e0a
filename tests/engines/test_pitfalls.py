"""The traps of editing a residual stream: each with the naive way that falls in, and ours."""

import contextlib
import copy
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from test_steering import assert_as_reference, edit, run, shift
from torch import Tensor, nn

import naive
import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.engines.transformers.verify import verify_stream
from langsteer.errors import ModelError, SpaceError, SteeringError
from langsteer.fitting.collect import collect
from langsteer.fitting.reading import Reading
from langsteer.space.space import Space
from langsteer.statistics.moments import Moments

PROMPTS = [[tiny.BOS, 5, 6, 7, 8, 9], [11, 12, 13]]


def llama() -> ResidualStream:
    return ResidualStream(tiny.shared("llama"))


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
    with naive.hook(stream.layers[1], lambda output: output[0]), pytest.raises(RuntimeError):
        stream.model(torch.tensor([[1, 2], [3, 4]]))
    model = tiny.make("llama")
    stream = ResidualStream(model)
    bound = stream.layers[1]
    inner = bound.forward
    bound.forward = lambda *a, **k: (inner(*a, **k), None)
    after = model.model.layers[2].forward
    model.model.layers[2].forward = lambda hidden, *a, **k: after(hidden[0], *a, **k)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad(), steering(stream, edit()):
        tupled = model(ids, use_cache=False).logits
        bound.forward, model.model.layers[2].forward = inner, after
        assert torch.equal(tupled, model(ids, use_cache=False).logits)


def test_02_rank_and_meaning() -> None:
    """Four streams per token have the same last dimension: an addition would go through."""

    class Streams(nn.Module):
        def forward(self, hidden: Tensor, **_: object) -> Tensor:
            return hidden[:, :, None].expand(-1, -1, 4, -1)

    class Narrow(nn.Module):
        def forward(self, hidden: Tensor) -> Tensor:
            return hidden.mean(2)

    model = tiny.make("llama", num_hidden_layers=1)
    model.model.layers[0], model.model.norm = Streams(), Narrow()
    with (
        naive.hook(model.model.layers[0], lambda hidden: hidden + shift(1).vector),
        torch.no_grad(),
    ):
        model(torch.tensor([[1, 2, 3]]))
    with pytest.raises(ModelError, match=r"several streams per token \(layer output"):
        ResidualStream(model)


def test_03_block_discovery() -> None:
    """The first list of blocks, or the longest, may be that of a vision tower."""
    model = tiny.make("llama")
    tower = nn.Module()
    tower.layers = nn.ModuleList(nn.Linear(tiny.WIDTH, tiny.WIDTH) for _ in range(tiny.DEPTH))
    names = list(model._modules)
    model.add_module("vision", tower)
    for name in names:  # the tower comes first
        model._modules[name] = model._modules.pop(name)
    lists = [name for name, part in model.named_modules() if isinstance(part, nn.ModuleList)]
    assert max(lists, key=lambda name: len(model.get_submodule(name))) == "vision.layers"
    assert ResidualStream(model).path == "model.layers"


def test_04_one_token_is_not_a_phase() -> None:
    """A prompt may have one token; taking `T == 1` for decoding edits it as generated."""
    stream, vector = llama(), shift(2).vector * 2
    only = Edit({1: Shift(vector)}, scope=Scope.parse("end[0:]"))
    with naive.hook(stream.layers[1], lambda h: h + vector if h.shape[1] == 1 else h):
        rows, found = plain(stream, [[5]])
    assert not matches(stream, [[5]], [only], rows, found)
    rows, found = run(stream, [[5]], only)
    assert matches(stream, [[5]], [only], rows, found)


def test_04_without_a_cache_the_counter_runs_away() -> None:
    stream = llama()
    after = edit(1, "end[0:]")
    with naive.counting(stream.layers[1], after.maps[1].vector, 6):
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

    with naive.hook(stream.layers[1], last):
        rows, found = plain(stream, PROMPTS[:1], prefill_chunk_size=2)
    assert not matches(stream, PROMPTS[:1], [given], rows, found)
    rows, found = run(stream, PROMPTS, given, prefill_chunk_size=2)
    assert matches(stream, PROMPTS, [given, given], rows, found)


SPECULATION = {
    "prompt lookup": lambda: {"prompt_lookup_num_tokens": 3},
    "assistant": lambda: {"assistant_model": tiny.make("llama", seed=3)},
}


@pytest.mark.parametrize("drafts", SPECULATION)
@pytest.mark.parametrize("scope", ["generated", "prompt", "end[1:3]"])
def test_05_drafts_are_edited_like_other_tokens(drafts: str, scope: str) -> None:
    stream, prompt = llama(), [5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6]
    given = edit(1, scope, 2.0)
    wanted, _ = run(stream, [prompt], given, max_new_tokens=8)
    found, _ = run(stream, [prompt], given, max_new_tokens=8, **SPECULATION[drafts]())
    assert found == wanted


@pytest.mark.parametrize("drafts", SPECULATION)
def test_05_rejected_drafts_are_taken_back(drafts: str) -> None:
    """The cache is rolled back and a counter of tokens is not: it begins too early."""
    stream, prompt, begin = llama(), [5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6], 2
    given = edit(1, f"end[{begin}:]")
    wanted, _ = run(stream, [prompt], given, max_new_tokens=10)

    def counted(**options: object) -> list[list[int]]:
        vector = given.maps[1].vector
        with naive.counting(stream.layers[1], vector, len(prompt) + begin):
            return plain(stream, [prompt], max_new_tokens=10, **options)[0]

    assert counted() == wanted, "one token at a time, counting is right"
    assert counted(**SPECULATION[drafts]()) != wanted
    found, _ = run(stream, [prompt], given, max_new_tokens=10, **SPECULATION[drafts]())
    assert found == wanted


def test_06_the_first_generated_token_is_decided_at_the_last_prompt_position() -> None:
    stream = llama()
    given = edit(1, "generated", 3.0)
    _, unsteered = plain(stream, PROMPTS[:1])
    with naive.counting(stream.layers[1], 3 * given.maps[1].vector, 6):
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

    with naive.hook(stream.layers[1], second):
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
    table = torch.stack([3 * edits[0].maps[1].vector, torch.zeros(tiny.WIDTH)])

    def by_row(hidden: Tensor) -> Tensor:
        return hidden + table[torch.arange(len(hidden)) % 2, None]

    bare = first_latents(stream, options)
    with naive.hook(stream.layers[1], by_row):
        mistaken = first_latents(stream, options) - bare
    with steering(stream, edits):
        change = first_latents(stream, options) - bare
    copies = len(change) // 2
    assert copies > 1
    assert bool(mistaken[copies:].any()), "the second prompt has taken the first one's edit"
    assert bool((change[:copies].abs() > 0).any(-1).all())
    assert not bool(change[copies:].any())


def first_latents(stream: ResidualStream, options: dict) -> Tensor:
    """Block 1 at the last position of two prompts, in the first forward pass [rows, d]."""
    settings = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    seen: list[Tensor] = []
    torch.manual_seed(0)
    with naive.hook(stream.layers[1], lambda hidden: seen.append(hidden[:, -1].clone())):
        stream.model.generate(torch.tensor([[5, 6, 7], [8, 9, 10]]), **{**settings, **options})
    return seen[0]


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
    table = torch.stack([shift(2).vector, torch.zeros(tiny.WIDTH)])
    with naive.hook(stream.layers[1], lambda hidden: hidden + table[: len(hidden), None]):
        (both,) = stream.read(ids, None, [2])
    (neither,) = stream.read(ids, None, [2])
    assert bool((both - neither)[:, 2:].any()), "a table by row steers the second sequence too"
    with steering(stream, edit()):
        with pytest.raises(SteeringError, match="packed sequences cannot be steered"):
            stream.model(ids, position_ids=positions)
        with pytest.raises(SteeringError, match="generate_batch packs all sequences"):
            stream.model.generate_batch([[1, 2], [3]])


def test_10_rows_have_edits_of_their_own() -> None:
    """One vector for the batch steers all; a row of zeros added is not a row left alone."""
    stream = llama()
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    with torch.no_grad():
        wanted = stream.model(ids).logits
        with naive.hook(stream.layers[1], lambda hidden: hidden + shift(2).vector):
            assert not torch.equal(stream.model(ids).logits[1], wanted[1])
        with steering(stream, [edit(1), None]):
            mixed = stream.model(ids).logits
        with steering(stream, edit(1)):
            alone = stream.model(ids).logits
    assert torch.equal(mixed[1], wanted[1])
    assert torch.equal(mixed[0], alone[0])
    zero = torch.tensor([-0.0])
    assert not bool(torch.signbit(zero + torch.zeros(1))), "hence the choice by `where`"


def test_11_the_artifact_in_float32_does_not_promote_the_stream() -> None:
    stream = ResidualStream(tiny.shared("llama", torch.bfloat16))
    ids = torch.tensor([[1, 2, 3]])
    with (
        naive.hook(stream.layers[1], lambda h: h + shift(1).vector),
        pytest.raises(RuntimeError, match="dtype"),
        torch.no_grad(),
    ):
        stream.model(ids)
    with torch.no_grad(), steering(stream, edit()):
        assert stream.model(ids).logits.dtype == torch.bfloat16


def test_11_norms_are_restored_in_float32() -> None:
    """In float16 the product of a latent and a norm is infinite long before either is."""
    stream = ResidualStream(tiny.make("llama").to(torch.float16))
    with torch.no_grad():
        stream.model.get_input_embeddings().weight.mul_(2000)
    ids, given = torch.tensor([[1, 2, 3]]), edit(strength=200.0)
    (before,) = stream.read(ids, None, [1])
    after = before + (200 * given.maps[1].vector).half()
    assert not bool(naive.restored(before, after).isfinite().all())
    with steering(stream, replace(given, restore_norm=True)):
        (found,) = stream.read(ids, None, [1])
    norms = (found.float().norm(dim=-1), before.float().norm(dim=-1))
    torch.testing.assert_close(*norms, rtol=2e-3, atol=0)


def test_12_offloaded_layers_have_their_weights_on_meta() -> None:
    """The device of a block's weights is not where its output is."""
    accelerate = pytest.importorskip("accelerate")
    model = tiny.make("llama")
    given = edit(1, "generated", 2.0)
    wanted, logits = run(ResidualStream(model), PROMPTS, [given, None])
    offloaded = tiny.make("llama")
    accelerate.cpu_offload(offloaded, execution_device=torch.device("cpu"))
    block = offloaded.model.layers[1]
    device = next(block.parameters()).device
    assert device.type == "meta"
    with (
        naive.hook(block, lambda hidden: hidden + shift(2).vector.to(device)),
        pytest.raises((RuntimeError, NotImplementedError)),
        torch.no_grad(),
    ):
        offloaded(torch.tensor([[1, 2, 3]]))
    stream = ResidualStream(offloaded)
    assert stream.device.type == "cpu"
    rows, found = run(stream, PROMPTS, [given, None])
    assert rows == wanted
    torch.testing.assert_close(found, logits)
    assert all(check.ok for check in verify_stream(stream))


@pytest.mark.slow
def test_13_compiled_before_or_after() -> None:
    """A hook added after the first compiled call would be ignored without a word."""
    model = tiny.make("llama", num_hidden_layers=2)
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


@pytest.mark.slow
def test_13_a_hook_after_the_first_compiled_call_is_ignored() -> None:
    """Compiled code does not look for new hooks; ours is there before, or compiles again."""
    model, given = tiny.make("llama", num_hidden_layers=2), edit(1)
    ids = torch.tensor([[1, 2, 3]])
    torch._dynamo.reset()  # what other tests compiled counts against this one's limit
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        before = compiled(ids, use_cache=False).logits
        with naive.hook(model.model.layers[1], lambda hidden: hidden + given.maps[1].vector):
            late = compiled(ids, use_cache=False).logits
            wanted = model(ids, use_cache=False).logits
        assert torch.equal(late, before)
        assert not torch.allclose(wanted, before)
        with steering(ResidualStream(compiled), given):
            torch.testing.assert_close(compiled(ids, use_cache=False).logits, wanted)


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
    kept: list[Tensor] = []
    vector = edit().maps[1].vector
    with (
        naive.hook(stream.layers[1], kept.append),
        naive.hook(stream.layers[1], lambda hidden: hidden.add_(vector)),
        torch.no_grad(),
    ):
        stream.model(ids)
    assert torch.equal(kept[0], after), "what was read before an edit in place is edited as well"


def test_15_an_exception_leaves_nothing_behind() -> None:
    """Hooks put on one after the other stay where a later one cannot be put on."""
    model = tiny.make("llama")
    stream, ids = ResidualStream(model), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        wanted = stream.model(ids).logits
        half = naive.Steerer(stream.layers, {1: shift(1).vector, 9: shift(2).vector})
        with pytest.raises(IndexError), half:
            pass
        assert not torch.allclose(stream.model(ids).logits, wanted), "it is steered for good"
        half.__exit__()
        with (
            pytest.raises(SteeringError, match="layer 9"),
            steering(stream, Edit({1: shift(1), 9: shift(2)})),
        ):
            pass
        assert torch.equal(stream.model(ids).logits, wanted)
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
    shifts = [{1: one.maps[1].vector} for one in (first, second)]
    with naive.Steerer(stream.layers, shifts[0]), naive.Steerer(stream.layers, shifts[1]):
        assert not torch.allclose(logits(), logits(second)), "hooks of both are on"
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

    def all_at_once(work: Callable[[int], None], rounds: int) -> None:
        threads = [threading.Thread(target=work, args=(n % 3,)) for n in range(rounds)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    all_at_once(work, 6)
    assert not wrong
    both_on, unsteered = threading.Barrier(2), []

    def hooked(which: int) -> None:
        if which == 0:
            with naive.Steerer(stream.layers, {1: 3 * edits[0].maps[1].vector}):
                both_on.wait()
                both_on.wait()
        if which == 1:
            both_on.wait()
            unsteered.extend(run(stream, PROMPTS, None, max_new_tokens=6)[0])
            both_on.wait()

    all_at_once(hooked, 2)
    assert unsteered != wanted[1], "the naive way steers the thread that steers nothing"


def test_16_a_cache_from_another_edit_is_noticed() -> None:
    stream, ids = llama(), torch.tensor([[1, 2, 3]])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with naive.Steerer(stream.layers, {1: edit(1).maps[1].vector}):
            cache = stream.model(ids, use_cache=True).past_key_values
        with naive.Steerer(stream.layers, {1: edit(2).maps[1].vector}):
            unnoticed = stream.model(torch.tensor([[4]]), past_key_values=cache).logits
    with torch.no_grad():
        with steering(stream, edit(1)):
            cache = stream.model(ids, use_cache=True).past_key_values
        with steering(stream, edit(2)):
            with pytest.warns(UserWarning, match="under another edit"):
                mixed = stream.model(torch.tensor([[4]]), past_key_values=cache).logits
            whole = stream.model(torch.tensor([[1, 2, 3, 4]])).logits
        assert not torch.allclose(mixed[0, -1], whole[0, -1], atol=1e-3), "it is not the same"
        torch.testing.assert_close(unnoticed, mixed)


def test_17_gradients_flow_through_an_edit() -> None:
    """An edit of the data, or of a detached copy, cuts the graph at its block."""
    model, vector = tiny.make("llama"), edit().maps[1].vector
    stream, weight = ResidualStream(model), model.get_input_embeddings().weight

    def gradient() -> Tensor:
        model.zero_grad()
        model(torch.tensor([[1, 2, 3]]), use_cache=False).logits.square().sum().backward()
        return torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()

    with naive.hook(stream.layers[1], lambda hidden: hidden.detach() + vector):
        assert not bool(gradient().any())
    with naive.hook(stream.layers[1], lambda hidden: hidden + vector):
        wanted = gradient()
    with steering(stream, edit()):
        torch.testing.assert_close(gradient(), wanted)


def test_17_what_was_read_can_be_trained_on() -> None:
    stream, ids = llama(), torch.tensor([[1, 2, 3]])
    probe, kept = torch.ones(tiny.WIDTH, requires_grad=True), []
    with (
        torch.inference_mode(),
        naive.hook(stream.layers[1], lambda hidden: kept.append(hidden.clone())),
    ):
        stream.model(ids)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        (probe * kept[0]).sum().backward()
    (latents,) = stream.read(ids, None, [1])
    (probe * latents).sum().backward()
    torch.testing.assert_close(probe.grad, kept[0].sum((0, 1)))


def test_18_sums_are_kept_in_float64() -> None:
    """Where means are large beside what tells languages apart, float32 sums lose the difference."""
    generator = torch.Generator().manual_seed(0)
    latents = (1e4 + torch.randn(4000, 1, 3, generator=generator)).float()
    exact = latents.double().mean(0)
    spread = latents.double().var(0)
    total, square = torch.zeros(1, 3), torch.zeros(1, 3)
    moments = Moments.empty(1, 3)
    for start in range(0, 4000, 100):
        part = latents[start : start + 100]
        for row in part:
            total += row
            square += row**2
        moments = moments.merge(Moments.of(part, torch.ones(len(part))))
    variance = square / 4000 - (total / 4000) ** 2
    assert float((variance / spread - 1).abs().max()) > 0.5, "E[x²] - E[x]² in float32 is noise"
    assert float((moments.mean - exact).abs().max()) < 1e-9
    error = moments.standard_error() * 4000**0.5
    torch.testing.assert_close(error**2, spread, rtol=1e-3, atol=0)


def test_18_massive_tokens_do_not_make_the_mean() -> None:
    """One token of a norm far above the others is most of a plain mean."""
    model = tiny.make("gpt2")
    with torch.no_grad():
        model.get_input_embeddings().weight[tiny.token("Q")] *= 1e4
    stream = ResidualStream(model)
    words = [Text("abcdefQ", "de"), Text("hijklmnop", "fr")]
    found = collect(
        Model(stream.model, tiny.tokenizer()), Corpus(tuple(words), "words"), Reading(layers=[0])
    )
    everything = collect(
        Model(stream.model, tiny.tokenizer()),
        Corpus(tuple(words), "words"),
        Reading(layers=[0], massive=float("inf")),
    )
    assert found.dropped["massive"] == 1
    assert everything.mean("de", 0).norm() > 100 * found.mean("de", 0).norm()


def test_19_a_templated_prompt_gets_no_second_beginning() -> None:
    from langsteer.engines.transformers.encoding import encode

    tokenizer = tiny.tokenizer()
    assert tokenizer("<s>ab")["input_ids"].count(tiny.BOS) == 2, "the naive way doubles it"
    assert encode(tokenizer, "<s>ab") == encode(tokenizer, "ab")
    assert encode(tokenizer, "ab").count(tiny.BOS) == 1


def test_20_layers_count_from_zero_and_mean_block_outputs() -> None:
    """`hidden_states[i]` is one too early, and its last entry is after the final norm."""
    stream, ids = llama(), torch.tensor([[1, 2, 3]])
    latents = stream.read(ids, None, range(stream.depth))
    with torch.no_grad():
        states = stream.model(ids, output_hidden_states=True).hidden_states
    for layer, latent in enumerate(latents):
        assert not torch.allclose(states[layer], latent)
    assert not torch.allclose(states[-1], latents[-1])
    with steering(stream, edit(1, layers=(2,))):
        after = stream.read(ids, None, range(stream.depth))
    assert [torch.equal(a, b) for a, b in zip(latents, after, strict=True)] == [True, True, False]


def test_21_a_block_that_did_not_run_is_noticed() -> None:
    """A hook on a module that is no longer part of the model never fires, and nobody is told."""
    model = tiny.make("llama")
    stream, ids = ResidualStream(model), torch.tensor([[1, 2, 3]])
    known = model.model.layers[2]
    model.model.layers[2] = copy.deepcopy(known)  # as adapters and quantisers do
    model.model.layers[2]._forward_hooks.clear()
    with torch.no_grad():
        wanted = model(ids).logits
        with naive.hook(known, lambda hidden: hidden + shift(2).vector):
            assert torch.equal(model(ids).logits, wanted), "unsteered, without a word"
        with (
            pytest.raises(SteeringError, match="layer 2 was to be edited but did not run"),
            steering(stream, edit(layers=(2,))),
        ):
            model(ids)
    assert [check.name for check in verify_stream(stream) if not check.ok]


def test_21_verify_finds_a_change_outside_the_scope() -> None:
    """An edit that reaches other positions has the right norm where one looks for it."""
    stream, given = llama(), edit(1, "prompt_last")
    ids = torch.tensor([[1, 2, 3]])
    (before,) = stream.read(ids, None, [1])
    with naive.hook(stream.layers[1], lambda hidden: hidden + given.maps[1].vector):
        kept: list[Tensor] = []
        with naive.hook(stream.layers[1], kept.append), torch.no_grad():
            stream.model(ids)
    with steering(stream, given):
        (after,) = stream.read(ids, None, [1])
    norm = given.maps[1].vector.norm()
    for found in (kept[0], after):
        torch.testing.assert_close((found - before)[0, -1].norm(), norm)
    assert bool((kept[0] - before)[0, :-1].any())
    assert not bool((after - before)[0, :-1].any())


def test_22_experts_are_steered_at_the_block_and_not_inside() -> None:
    """A shift inside every expert is weighed by the router; at the block it is the shift."""
    stream = ResidualStream(tiny.shared("mixtral"))
    ids, given = torch.tensor([[1, 2, 3]]), edit(1)
    (before,) = stream.read(ids, None, [1])
    with steering(stream, given):
        (after,) = stream.read(ids, None, [1])
    vector = given.maps[1].vector.expand_as(before)
    torch.testing.assert_close(after - before, vector, rtol=1e-4, atol=1e-4)
    experts = stream.layers[1].mlp.experts
    handle = experts.register_forward_pre_hook(
        lambda module, args: (args[0] + vector[0], *args[1:])
    )
    (inside,) = stream.read(ids, None, [1])
    handle.remove()
    assert not torch.allclose(inside - before, vector, atol=0.1)


class Payload:
    """What a pickle may do when it is loaded."""

    ran = 0

    def __reduce__(self):
        return (Payload.run, ())

    @staticmethod
    def run() -> None:
        Payload.ran += 1


def test_23_a_space_never_runs_code(tmp_path) -> None:
    path = tmp_path / "evil.space"
    torch.save({"vector": Payload()}, path)
    with pytest.raises(SpaceError, match="cannot be read as a space"):
        Space.load(path)
    assert Payload.ran == 0
    torch.load(path, weights_only=False)
    assert Payload.ran == 1, "the naive way runs it"


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
