"""The guard: it acts while the row is in another language, however the passes are cut."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_steering import run
from torch import Tensor

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.demo.run import MODEL
from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.answers import AnswerOptions, answer_in
from langsteer.engines.transformers.chat import render
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.guarded import GuardedRows
from langsteer.engines.transformers.hooks import Forward, PromptTokens
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.source import source_languages
from langsteer.engines.transformers.steered import steering
from langsteer.errors import LanguageError, SteeringError
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space

LAYER = 1
LETTERS = {"de": "abc", "fr": "xyz", "it": "mno"}


@cache
def loaded() -> Model:
    model = tiny.make("llama")
    directions = torch.eye(tiny.WIDTH)
    with torch.no_grad():  # plant a direction for each language
        for direction, letters in zip(directions, LETTERS.values(), strict=False):
            for letter in letters:
                model.get_input_embeddings().weight[tiny.token(letter)] += 3 * direction
    return Model(model, tiny.tokenizer(), name="tiny")


@cache
def space() -> Space:
    generator = torch.Generator().manual_seed(0)
    texts = [
        Text("".join(letters[i] for i in torch.randint(3, (12,), generator=generator)), tag)
        for tag, letters in LETTERS.items()
        for _ in range(8)
    ]
    return fit(loaded(), Corpus(tuple(texts), "letters"))


def guarded(target: str = "fr", scope: str = "all", **options: float) -> Edit:
    return Edit(
        {LAYER: space().map("de", target, LAYER)},
        scope=Scope.parse(scope),
        guard=Guard.of(space().statistics, target, LAYER, **options),
    )


def ids(text: str) -> list[int]:
    return tiny.tokenizer()(text)["input_ids"]


def latents(text: str, edit: Edit | None, prompt: int) -> Tensor:
    """The latents of a text whose first `prompt` tokens are the prompt [tokens, d]."""
    tokens = torch.tensor([ids(text)])
    with steering(loaded().stream, edit, prompt={"input_ids": tokens[:, :prompt]}):
        return loaded().stream.read(tokens, None, [LAYER])[0][0]


def plain_acts(text: str, guard: Guard, prompt: int, thinking: Sequence[int] = ()) -> list[bool]:
    """Whether to act at each token: one token at a time, from the means and variances.

    `thinking` are the columns that are part of no answer.
    """
    z, tokens = latents(text, None, prompt).double(), ids(text)
    parts = space().statistics.moments.values()
    degrees = sum(part.degrees for part in parts)
    variance = sum(part.scatter[LAYER] for part in parts) / degrees
    weights = 1 / variance.clamp_min(1e-4 * variance.mean())
    mine = space().mean(guard.target, LAYER)
    others = [space().mean(tag, LAYER) for tag in LETTERS if tag != guard.target]
    read = [
        [
            float((((at - other) ** 2 - (at - mine) ** 2) * weights).sum())
            / float(((mine - other) ** 2 * weights).sum())
            for other in others
        ]
        for at in z
    ]
    begin = max(prompt - guard.reach, 1 if tokens[0] == tiny.BOS else 0)
    acting, found = False, []
    for column in range(prompt - 1, len(tokens)):
        recent = range(begin, column + 1)[-guard.window :]
        last = [read[one] for one in recent if one not in thinking]
        least = min(sum(row[k] for row in last) / max(len(last), 1) for k in range(len(others)))
        acting = least <= -guard.margin or (acting and least <= guard.margin)
        found.append(acting)
    return [found[0]] * (prompt - 1) + found


@pytest.mark.parametrize("text", ["abcabcab", "xyzzyxzy", "abcabcxyzxyzxyzabcabcaabb", "mnoxymo"])
@pytest.mark.parametrize(
    ("window", "margin", "reach"), [(1, 0.0, 1), (3, 0.25, 2), (8, 0.5, 4), (16, 0.25, 4)]
)
@pytest.mark.parametrize("prompt", [2, 5])
def test_it_acts_where_the_plain_way_says(
    text: str, window: int, margin: float, reach: int, prompt: int
) -> None:
    edit = guarded(window=window, margin=margin, reach=reach)
    changed = (latents(text, edit, prompt) != latents(text, None, prompt)).any(-1).tolist()
    wanted = plain_acts(text, edit.guard, prompt)
    assert changed == [False, *wanted[1:]], "a leading special token is never edited"
    assert edit.guard.stats.acted == sum(changed)
    assert edit.guard.stats.selected == len(changed) - 1


class Thought:
    """Says that thinking is open in some columns."""

    def __init__(self, columns: Sequence[int]) -> None:
        self.columns = columns

    def open(self, forward: Forward) -> Tensor:
        here = [one in self.columns for one in range(forward.start, forward.start + forward.length)]
        return torch.tensor([here])


@pytest.mark.parametrize("columns", [range(4, 8), range(6, 11), range(3, 20)])
@pytest.mark.parametrize("window", [2, 3, 16])
def test_a_thought_counts_neither_for_decisions_nor_for_the_counts(
    columns: Sequence[int], window: int
) -> None:
    text, prompt = "abcxyzzyxabcabcxyzabcab", 3
    edit = guarded(window=window, margin=0.25, reach=2)
    tokens = torch.tensor([ids(text)])
    plain = latents(text, None, prompt)
    declared = {"input_ids": tokens[:, :prompt]}
    with steering(loaded().stream, edit, prompt=declared, thinking=Thought(columns)):  # type: ignore[arg-type]
        changed = (loaded().stream.read(tokens, None, [LAYER])[0][0] != plain).any(-1).tolist()
    acts = plain_acts(text, edit.guard, prompt, columns)
    wanted = [act and place not in columns for place, act in enumerate(acts)]
    assert changed == [False, *wanted[1:]]
    assert edit.guard.stats.acted == sum(changed)
    assert edit.guard.stats.selected == len(changed) - 1 - len(
        [one for one in columns if one < len(changed)]
    )


def test_a_row_in_the_target_language_is_untouched_beside_one_that_is_not() -> None:
    stream, edit = loaded().stream, guarded()
    batch = torch.tensor([ids("xyzzyxyz"), ids("abcabacb")])
    with torch.no_grad():
        plain = stream.model(batch).logits
        with steering(stream, replace(edit, guard=None)):
            always = stream.model(batch).logits
        with steering(stream, edit):
            found = stream.model(batch).logits
    assert torch.equal(found[0], plain[0])
    assert torch.equal(found[1], always[1])
    assert (edit.guard.stats.acted, edit.guard.stats.selected) == (8, 16)


PROMPTS = ["xyzabcabca", "zyx", "mnomno", "abc"]


def mixed() -> list[Edit | None]:
    narrow = {"window": 1, "margin": 0.0, "reach": 1}
    return [
        guarded("fr", "generated", **narrow),
        guarded("de", "generated"),
        None,
        guarded("it", "generated", **narrow),
    ]


@pytest.mark.parametrize(
    "options",
    [{}, {"use_cache": False}, {"prefill_chunk_size": 2}, {"prompt_lookup_num_tokens": 3}],
    ids=str,
)
def test_it_decides_and_counts_alike_however_the_passes_are_cut(options: dict) -> None:
    prompts, stream = [ids(text) for text in PROMPTS], loaded().stream
    edits = mixed()
    together, _ = run(stream, prompts, edits, max_new_tokens=12)
    acted = []
    for prompt, edit, wanted, shared in zip(prompts, mixed(), together, edits, strict=True):
        (alone,), _ = run(stream, [prompt], edit, max_new_tokens=12, **options)
        assert alone == wanted
        if edit is not None:
            found, before = edit.guard.stats, shared.guard.stats
            assert (found.acted, found.selected) == (before.acted, before.selected)
            assert found.selected == 12, "one position for each new token"
            acted.append(found.acted)
    assert any(0 < count < 12 for count in acted), "it changes its mind on the way"


def test_rejected_candidates_leave_no_trace() -> None:
    """A guess of the next tokens that turns out wrong is read, and read anew."""
    stream, edit = loaded().stream, guarded("fr", "generated", window=2, margin=0.1, reach=2)
    prompt = torch.tensor([ids("abcxyz")])
    right, wrong = torch.tensor([ids("abxyzabc")[1:]]), torch.tensor([ids("zzzzaaaa")[1:]])

    def passes(*guesses: tuple[int, Tensor]) -> tuple[Tensor, tuple[int, int]]:
        mine = replace(edit, guard=replace(edit.guard, stats=type(edit.guard.stats)()))
        with torch.no_grad(), steering(stream, mine, prompt={"input_ids": prompt}):
            cache = stream.model(prompt, use_cache=True).past_key_values
            for start, guess in guesses:
                surplus = cache.get_seq_length() - prompt.shape[1] - start
                if surplus:
                    cache.crop(-surplus)
                out = stream.model(guess, past_key_values=cache, use_cache=True)
        return out.logits[:, -1], (mine.guard.stats.acted, mine.guard.stats.selected)

    plain, counted = passes((0, right))
    found, recounted = passes((0, wrong), (0, right[:, :3]), (3, wrong[:, :4]), (3, right[:, 3:]))
    torch.testing.assert_close(found, plain)
    assert recounted == counted
    assert 0 < counted[0] < counted[1] == 9


@pytest.mark.parametrize("options", [{}, {"use_cache": False}], ids=str)
def test_nothing_counts_after_a_row_has_ended(options: dict) -> None:
    stream, prompts = loaded().stream, [ids(text) for text in PROMPTS]
    edits = mixed()
    rows, _ = run(stream, prompts, edits, max_new_tokens=12, **options)
    end = rows[0][len(prompts[0]) + 4]
    if end in rows[0][len(prompts[0]) : len(prompts[0]) + 4]:
        pytest.skip("the token comes sooner")
    again = mixed()
    run(stream, prompts, again, max_new_tokens=12, eos_token_id=end, **options)
    assert again[0].guard.stats.selected == 5


def test_a_loop_without_generate_counts_each_position_once() -> None:
    stream, edit = loaded().stream, guarded("fr")
    batch = torch.tensor([ids("xyzabc"), ids("abcabc")])
    with torch.no_grad(), steering(stream, edit, prompt={"input_ids": batch[:, :3]}):
        for end in range(3, 8):
            stream.model(batch[:, :end], use_cache=False)
    assert edit.guard.stats.selected == 2 * 6


def test_a_prompt_in_pieces_cannot_be_edited_before_its_end() -> None:
    with pytest.raises(SteeringError, match="in several passes"):
        run(loaded().stream, [ids("abcabc")], guarded("fr"), prefill_chunk_size=2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([-0.9, -0.3, 0.1, 0.3, 0.9]), min_size=4, max_size=12),
    st.integers(1, 4),
    st.integers(1, 3),
)
@pytest.mark.slow
def test_cut_anywhere_the_decisions_are_those_of_one_pass(
    values: list[float], step: int, window: int
) -> None:
    reach = min(window, 2)
    guard = Guard("fr", LAYER, torch.ones(1, 1), torch.zeros(1), window, 0.37, reach)
    z, real = torch.tensor(values)[None, :, None], torch.ones(1, 3, dtype=torch.bool)

    def acts(size: int) -> list[bool]:
        prompt = PromptTokens(real)
        watch, found = GuardedRows([guard], prompt, frozenset()), []
        for start in range(0, len(values), size):
            piece = z[:, start : start + size]
            decided = watch.acts(Forward(prompt, start, piece.shape[1], 1, None), piece)
            found += [None] * piece.shape[1] if decided is None else decided[0].tolist()
        return found[2:]

    wanted, acting = [], False
    for column in range(2, len(values)):
        last = values[3 - reach : column + 1][-window:]
        least = sum(last) / len(last)
        acting = least <= -0.37 or (acting and least <= 0.37)
        wanted.append(acting)
    assert acts(step) == acts(len(values)) == wanted


def test_the_source_is_found_by_the_stream() -> None:
    prompts = [render(tiny.tokenizer(), text) for text in ("abcab", "xyzx", "mnonm")]
    found = source_languages(loaded(), prompts, space(), LAYER)
    assert found == ["de", "fr", "it"]


def test_what_does_not_fit_is_an_error() -> None:
    stream = loaded().stream
    with pytest.raises(LanguageError):
        Guard.of(space().statistics, "zh", LAYER)
    with pytest.raises(SteeringError, match="needs another language"):
        Guard.of(space().statistics, "fr", LAYER, others=["fr"])
    with pytest.raises(SteeringError, match="reach must be at least 1"):
        guarded(window=0)
    late = replace(guarded(), guard=Guard.of(space().statistics, "fr", 2))
    with pytest.raises(SteeringError, match="reads at layer 2"), steering(stream, late):
        pass
    with pytest.raises(SteeringError, match="without beams"):
        run(stream, [ids("abc")], guarded(), num_beams=2)


@pytest.mark.skipif(not (MODEL / "config.json").is_file(), reason="no embedded model")
@pytest.mark.slow
def test_on_the_embedded_model_it_acts_only_where_it_is_needed() -> None:
    from langsteer.demo.tasks import matching_corpus

    model = Model.from_pretrained(str(MODEL))
    tags, layer = ("en", "de", "ru", "zh"), 4
    fitted = fit(model, matching_corpus("fit", per_family=8).select(tags), Reading(layers=[layer]))
    last = fit(
        model,
        matching_corpus("fit", per_family=8).select(tags),
        Reading(layers=[layer], pooling="last"),
    )
    scope = Scope.parse("generated")
    prompts = {
        "en": 'Which currency is used in the country "Egypt"? "',
        "de": 'Welche Währung hat das Land "Ägypten"? "',
    }
    for source, text in prompts.items():
        (plain,) = model.generate([text], None, Generation(max_new_tokens=12))
        guard = Guard.of(fitted.statistics, source, layer)
        for other in tags:
            if other != source:
                edit = Edit({layer: last.map(other, source, layer)}, scope=scope, guard=guard)
                assert model.generate([text], edit, Generation(max_new_tokens=12)) == [plain]
        assert guard.stats.acted == 0
        assert guard.stats.selected > 0


def test_a_prompt_that_is_answered_in_the_target_language_anyway_has_no_edit() -> None:
    point = OperatingPoint((LAYER,), strength=3.0)
    prompts = ["xyzx", "abcab", "mnonm"]
    options = AnswerOptions(None, point, Generation(max_new_tokens=6), compare=True)
    found = answer_in(loaded(), space(), prompts, "fr", options)
    assert [one.source for one in found] == ["fr", "de", "it"]
    assert [one.steered == one.unsteered for one in found] == [True, False, False]
    stated = answer_in(loaded(), space(), prompts, "fr", replace(options, source="fr"))
    assert [one.steered for one in stated] == [one.unsteered for one in stated]
