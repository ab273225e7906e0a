"""The guard: it acts while the row is in another language, however the passes are cut."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import tiny
from langsteer.atlas.demo import MODEL
from langsteer.corpus import Corpus, Text
from langsteer.errors import LanguageError, SteeringError
from langsteer.fitting import fit
from langsteer.forward import Forward, Prompt
from langsteer.loading import Loaded, load
from langsteer.residual import ResidualStream
from langsteer.space import Space
from langsteer.steering import Edit, Guard, Scope, generate, steering
from langsteer.steering.guard import Watch, _sides
from langsteer.steering.source import source_languages
from test_steering import run

LAYER = 1
LETTERS = {"de": "abc", "fr": "xyz", "it": "mno"}


@cache
def loaded() -> Loaded:
    model = tiny.make("llama")
    directions = torch.eye(tiny.WIDTH)
    with torch.no_grad():  # plant a direction for each language
        for direction, letters in zip(directions, LETTERS.values(), strict=False):
            for letter in letters:
                model.get_input_embeddings().weight[tiny.token(letter)] += 3 * direction
    return Loaded(model, tiny.tokenizer(), ResidualStream(model), "tiny")


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
        guard=Guard.of(space(), target, LAYER, **options),
    )


def ids(text: str) -> list[int]:
    return tiny.tokenizer()(text)["input_ids"]


def latents(text: str, edit: Edit | None) -> Tensor:
    with steering(loaded().stream, edit):
        return loaded().stream.read(torch.tensor([ids(text)]), None, [LAYER])[0][0]


def plain_acts(text: str, guard: Guard) -> list[bool]:
    """Whether to act at each token, one token at a time."""
    z, tokens = latents(text, None), ids(text)
    mine = space().mean(guard.target, LAYER)
    values, acts, side = [], [], 0
    for column, token in enumerate(tokens):
        if token != tiny.BOS:
            values.append(
                [
                    float(
                        ((z[column].double() - other) ** 2).sum()
                        - ((z[column].double() - mine) ** 2).sum()
                    )
                    / float(((mine - other) ** 2).sum())
                    for other in (space().mean(tag, LAYER) for tag in LETTERS)
                    if not torch.equal(other, mine)
                ]
            )
        last = values[-guard.window :]
        least = min(sum(row[k] for row in last) / len(last) for k in range(2)) if last else 0.0
        if abs(least) > guard.margin:
            side = 1 if least < 0 else -1
        acts.append(side > 0 or (side == 0 and least <= 0))
    return acts


@pytest.mark.parametrize("text", ["abcabcab", "xyzzyxzy", "abcabcxyzxyzxyzabcabcaabb", "mnoxymo"])
@pytest.mark.parametrize(("window", "margin"), [(1, 0.0), (3, 0.25), (8, 0.5)])
def test_it_acts_where_the_plain_way_says(text: str, window: int, margin: float) -> None:
    edit = guarded(window=window, margin=margin)
    changed = (latents(text, edit) != latents(text, None)).any(-1).tolist()
    wanted = plain_acts(text, edit.guard)
    assert changed == [False, *wanted[1:]], "a leading special token is never edited"


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
    assert (edit.guard.tally.acted, edit.guard.tally.selected) == (8, 16)


@pytest.mark.parametrize(
    "options", [{"use_cache": False}, {"prefill_chunk_size": 2}, {"prompt_lookup_num_tokens": 2}]
)
def test_it_decides_alike_however_the_passes_are_cut(options: dict) -> None:
    prompts = [ids("xyzabcabca"), ids("zyx"), ids("mnomno"), ids("abc")]
    edits = [guarded("fr", window=2, margin=0.1), guarded("de", "generated"), None, guarded("it")]
    stream, acted = loaded().stream, []
    together, _ = run(stream, prompts, edits, max_new_tokens=12)
    for prompt, edit, wanted in zip(prompts, edits, together, strict=True):
        (alone,), _ = run(stream, [prompt], edit, max_new_tokens=12, **options)
        assert alone == wanted
        if edit is not None:
            acted.append(edit.guard.tally.acted / edit.guard.tally.selected)
    assert any(0 < share < 1 for share in acted), "it changes its mind on the way"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([-0.6, -0.2, 0.0, 0.2, 0.6]), min_size=1, max_size=8),
    st.sampled_from([-1, 0, 1]),
)
def test_between_the_margins_it_goes_on_as_before(standing: list[float], before: int) -> None:
    found = _sides(torch.tensor([standing]), torch.tensor([before], dtype=torch.int8), 0.4)
    wanted, side = [], before
    for value in standing:
        side = side if abs(value) <= 0.4 else (1 if value < 0 else -1)
        wanted.append(side)
    assert found[0].tolist() == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([-0.9, -0.3, 0.1, 0.3, 0.9]), min_size=4, max_size=12),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_cut_anywhere_the_decisions_are_those_of_one_pass(
    values: list[float], step: int, window: int
) -> None:
    guard = Guard("fr", LAYER, torch.ones(1, 1), torch.zeros(1), window, 0.4)
    z, real = torch.tensor(values)[None, :, None], torch.ones(1, 3, dtype=torch.bool)

    def acts(size: int) -> list[bool]:
        prompt = Prompt(real)
        watch, found = Watch(guard, [0], prompt, frozenset()), []
        for start in range(0, len(values), size):
            piece = z[:, start : start + size]
            forward = Forward(prompt, start, piece.shape[1], 1, None)
            found += watch.acts(forward, piece)[0].tolist()
        return found

    assert acts(step) == acts(len(values))


def test_the_source_is_found_by_the_stream() -> None:
    found = source_languages(
        loaded().stream, tiny.tokenizer(), ["abcab", "xyzx", "mnonm"], space(), LAYER
    )
    assert found == ["de", "fr", "it"]


def test_what_does_not_fit_is_an_error() -> None:
    stream = loaded().stream
    with pytest.raises(LanguageError):
        Guard.of(space(), "zh", LAYER)
    with pytest.raises(SteeringError, match="needs another language"):
        Guard.of(space(), "fr", LAYER, others=["fr"])
    with pytest.raises(SteeringError, match="window must be at least 1"):
        guarded(window=0)
    late = replace(guarded(), guard=Guard.of(space(), "fr", 2))
    with pytest.raises(SteeringError, match="reads at layer 2"), steering(stream, late):
        pass
    with pytest.raises(SteeringError, match="without beams"):
        run(stream, [ids("abc")], guarded(), num_beams=2)


@pytest.mark.skipif(not (MODEL / "config.json").is_file(), reason="no embedded model")
def test_on_the_embedded_model_it_acts_only_where_it_is_needed() -> None:
    from langsteer.atlas.tasks import matching_corpus

    model = load(str(MODEL))
    tags, layer = ("en", "de", "ru", "zh"), 4
    fitted = fit(model, matching_corpus("fit", per_family=8).select(tags), layers=[layer])
    last = fit(
        model, matching_corpus("fit", per_family=8).select(tags), layers=[layer], pooling="last"
    )
    scope = Scope.parse("generated")
    prompts = {
        "en": 'Which currency is used in the country "Egypt"? "',
        "de": 'Welche Währung hat das Land "Ägypten"? "',
    }
    for source, text in prompts.items():
        (plain,) = generate(model.stream, model.tokenizer, [text], max_new_tokens=12)
        guard = Guard.of(fitted, source, layer)
        for other in tags:
            if other != source:
                edit = Edit({layer: last.map(other, source, layer)}, scope=scope, guard=guard)
                assert generate(model.stream, model.tokenizer, [text], edit, max_new_tokens=12) == [
                    plain
                ]
        assert guard.tally.acted == 0
        assert guard.tally.selected > 0
