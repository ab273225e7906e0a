"""The artifact: what is saved comes back, and what does not fit is refused by name."""

import json
import math
import os
import pickle
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import tiny
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import LangsteerError, LanguageError, SpaceError
from langsteer.space.identity import identify, vocabulary_hash
from langsteer.space.memo import Memo
from langsteer.space.space import CorpusFacts, OperatingPoint, PairPoint, Space
from langsteer.statistics import Keep, Statistics
from latents import normal

LANGUAGES = ("de", "en", "fr", "ja")
N = 20


def collected(keep=None, width=tiny.WIDTH, layers=(0, 1, 2)):
    found = Statistics.empty(layers, width, LANGUAGES, pooling="text", keep=keep)
    for i, language in enumerate(LANGUAGES):
        z = normal(N, len(layers), width, seed=i) + 3 * normal(width, seed=50 + i)
        found.update(z, torch.ones(N), [language] * N, [f"c{j}" for j in range(N)], tokens=[7] * N)
    whole = Statistics.empty(layers, width, LANGUAGES, pooling="text", keep=keep)
    z = normal(4, len(layers), width, seed=9)
    whole.update(z, torch.ones(4), list(LANGUAGES), ["x"] * 4, tokens=[7] * 4)
    found = found.merge(whole)
    found.dropped["special"] = 12
    return found


@pytest.fixture(scope="module")
def stream():
    return ResidualStream(tiny.make("llama"))


@pytest.fixture(scope="module")
def space(stream):
    return Space(
        model=identify(stream, tiny.tokenizer(), "some/llama"),
        corpus=CorpusFacts(
            "texts", "abc", dict.fromkeys(LANGUAGES, N), dict.fromkeys(LANGUAGES, 9)
        ),
        statistics=collected(Keep("language", sample=6)),
    )


def test_what_is_saved_comes_back(space, tmp_path):
    point = OperatingPoint((1, 2), 0.75, "generated", "difference", {"meaning": 0.5}, "tune")
    path = tmp_path / "some.safetensors"
    space.with_operating_point(point).save(path)
    back = Space.load(path)
    assert back.operating_point == point
    assert (back.model, back.corpus, back.versions) == (space.model, space.corpus, space.versions)
    assert (back.layers, back.languages, back.pooling) == ((0, 1, 2), LANGUAGES, "text")
    assert back.dropped == {"special": 12}
    assert back.statistics.moments["fr"].texts == N + 1
    assert back.statistics.alignment.concepts == space.statistics.alignment.concepts
    for estimator in ("difference", "mean", "random"):
        a, b = (one.map("de", "ja", 1, estimator).vector for one in (space, back))
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(
        back.statistics.alignment.effects(),
        space.statistics.alignment.effects(),
        atol=1e-6,
        rtol=1e-5,
    )
    torch.testing.assert_close(
        back.statistics.covariance(2, "fr"),
        space.statistics.covariance(2, "fr"),
        atol=1e-5,
        rtol=1e-5,
    )
    for a, b in zip(
        back.statistics.sample.pairs("de", "ja", 1),
        space.statistics.sample.pairs("de", "ja", 1),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_a_loaded_space_goes_on_collecting(space, tmp_path):
    space.save(tmp_path / "s")
    merged = Space.load(tmp_path / "s").statistics.merge(collected(Keep("language", sample=6)))
    assert merged.moments["de"].texts == 2 * (N + 1)


def test_latents_are_stored_in_float32_with_a_readable_header(space, tmp_path):
    path = tmp_path / "s.safetensors"
    space.save(path)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["langsteer"])
        assert file.get_tensor("moments.mean").dtype == torch.float32
    assert header["format_version"] == 1
    assert (header["site"], header["layer_base"]) == ("block_output", 0)
    assert header["model"]["name"] == "some/llama"


def test_saving_replaces_the_file_whole_and_leaves_nothing_beside_it(space, tmp_path, monkeypatch):
    path = tmp_path / "s.safetensors"
    path.write_bytes(b"before")

    def stop(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stop)
        with pytest.raises(SpaceError, match="No space left"):
            space.save(path)
    assert path.read_bytes() == b"before"
    space.save(path)
    assert os.listdir(tmp_path) == ["s.safetensors"]
    assert Space.load(path).languages == LANGUAGES


def test_saving_makes_the_folder_and_is_refused_where_none_can_be(space, tmp_path):
    space.save(tmp_path / "new" / "a.safetensors")
    assert Space.load(tmp_path / "new" / "a.safetensors").languages == space.languages
    with pytest.raises(SpaceError, match="folder that exists"):
        space.save(tmp_path / "new" / "a.safetensors" / "b.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpaceError, match=r"no file .*nothing\.safetensors"):
        Space.load(tmp_path / "nothing.safetensors")


def test_a_folder_is_no_space(tmp_path):
    with pytest.raises(SpaceError):
        Space.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000, -1])
def test_a_file_cut_short_is_refused(space, tmp_path, keep):
    path = tmp_path / "s.safetensors"
    space.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SpaceError, match="cut short"):
        Space.load(path)


def test_other_safetensors_files_are_refused(tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(SpaceError, match="not a langsteer space"):
        Space.load(tmp_path / "x.safetensors")


def test_the_model_that_was_fitted_fits_in_any_dtype(space):
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        model = tiny.make("llama").to(dtype)
        space.check(ResidualStream(model), tiny.tokenizer())


@pytest.mark.parametrize(
    ("family", "overrides", "named"),
    [
        ("qwen2", {}, "kind of model is llama in the space, qwen2 here"),
        ("llama", {"num_hidden_layers": 2}, "number of layers is 3 in the space, 2 here"),
        ("llama", {"hidden_size": 32}, "width is 16 in the space, 32 here"),
        ("llama", {"seed": 1}, "hold the value"),
    ],
)
def test_other_models_are_refused_by_what_differs(space, family, overrides, named):
    model = tiny.make(family, **overrides)
    with pytest.raises(SpaceError, match=named):
        space.check(ResidualStream(model), tiny.tokenizer())


def other_tokenizer():
    made = tiny.tokenizer.__wrapped__()
    vocabulary = {**made.get_vocab(), "a": 98, "b": 97}
    made.get_vocab = lambda: vocabulary
    return made


def test_another_tokenizer_is_refused(space, stream):
    with pytest.raises(SpaceError, match="vocabulary"):
        space.check(stream, other_tokenizer())


def test_added_tokens_and_their_rows_make_no_other_model(space):
    model, grown = tiny.make("llama"), tiny.tokenizer.__wrapped__()
    grown.add_tokens(["another"])
    grown.add_special_tokens({"pad_token": "<padding>"})
    model.resize_token_embeddings(tiny.VOCABULARY + 7, mean_resizing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        space.check(ResidualStream(model), grown)


def of_version_0_1(space):
    """The same space as version 0.1 wrote it: without the size of the vocabulary and shapes."""
    whole = vocabulary_hash(tiny.tokenizer())
    old = replace(space.model, tokenizer=whole, base_tokens=None, shapes={})
    return replace(space, model=old)


def test_a_space_of_version_0_1_bears_added_tokens_too(space):
    old, grown = of_version_0_1(space), tiny.tokenizer.__wrapped__()
    old.check(ResidualStream(tiny.make("llama")), grown)
    grown.add_tokens(["another", "and another"])
    model = tiny.make("llama")
    model.resize_token_embeddings(tiny.VOCABULARY + 7, mean_resizing=False)
    with pytest.warns(UserWarning, match="could not be compared"):
        old.check(ResidualStream(model), grown)
    with pytest.raises(SpaceError, match="vocabulary"):
        old.check(ResidualStream(model), other_tokenizer())


class Packed(torch.nn.Module):
    """Integer weights in a buffer, as GPTQ and AWQ have them."""

    def __init__(self, linear):
        super().__init__()
        self.register_buffer("qweight", (linear.weight * 1000).round().to(torch.int32))

    def forward(self, x):
        return x @ (self.qweight.to(x.dtype) / 1000).T


def packed(**changes):
    model = tiny.make("llama", **changes)
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, module in list(part.named_children()):
                if isinstance(module, torch.nn.Linear):
                    setattr(part, name, Packed(module))
    return ResidualStream(model)


def test_a_quantised_twin_fits_with_a_warning(space):
    with pytest.warns(UserWarning, match=r"\d of \d parameters could not be compared"):
        space.check(packed(), tiny.tokenizer())
    with pytest.raises(SpaceError, match="hold the value"):
        space.check(packed(seed=1), tiny.tokenizer())


def test_weights_that_were_rounded_pass_only_where_the_model_says_so(space):
    model = tiny.make("llama")
    with torch.no_grad():
        for weight in model.parameters():
            step = weight.abs().max() / 7
            weight.copy_((weight / step).round() * step)
    with pytest.raises(SpaceError, match="hold the value"):
        space.check(ResidualStream(model), tiny.tokenizer())
    model.is_quantized = True
    with pytest.warns(UserWarning, match="up to quantisation"):
        space.check(ResidualStream(model), tiny.tokenizer())


def test_the_names_that_wrappers_give_are_seen_through(space):
    class Wrapped(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module, self.config = module, module.config

    for other in (0, 1):
        model = ResidualStream(tiny.make("llama", seed=other))
        fake = SimpleNamespace(hf=Wrapped(model.model), width=tiny.WIDTH, depth=tiny.DEPTH)
        if other:
            with pytest.raises(SpaceError, match="hold the value"):
                space.check(fake, tiny.tokenizer())
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                space.check(fake, tiny.tokenizer())


def test_weights_that_are_not_in_memory_are_not_held_against_a_model(space):
    model = tiny.make("llama")
    for name, value in list(model.named_parameters()):
        owner, _, leaf = name.rpartition(".")
        meta = torch.nn.Parameter(value.to("meta"), requires_grad=False)
        setattr(model.get_submodule(owner), leaf, meta)
    fake = type("Offloaded", (), {"model": model, "width": tiny.WIDTH, "depth": tiny.DEPTH})()
    with pytest.warns(UserWarning, match="not in memory"):
        space.check(fake, tiny.tokenizer())


def test_unknown_languages_are_refused_with_the_nearest(space):
    with pytest.raises(LanguageError, match="de"):
        space.map("german", "ja", 1)
    with pytest.raises(LanguageError, match="ja"):
        space.map("de", "jp", 1)


def test_layers_outside_are_refused(space):
    with pytest.raises(SpaceError, match="Layer 3"):
        space.map("de", "ja", 3)
    with pytest.raises(SpaceError, match="Layer 3"):
        space.with_operating_point(OperatingPoint((3,)))


def test_the_estimator_defaults_to_the_operating_point(space):
    mean = space.with_operating_point(OperatingPoint((1,), estimator="mean"))
    assert torch.equal(mean.map("de", "ja", 1).vector, space.map(None, "ja", 1, "mean").vector)
    assert torch.equal(
        space.map("de", "ja", 1).vector, space.map("de", "ja", 1, "difference").vector
    )
    assert list(mean.maps("de", "ja")) == [1]


def test_the_default_point_is_at_60_percent_of_the_depth(space):
    assert space.default_point().layers == (1,)


def test_what_is_made_once_is_shared(space):
    tuned = space.with_operating_point(
        OperatingPoint(
            (2,), 0.5, "generated", pairs=(PairPoint("de", "fr", (1,), 2, "all", "mean"),)
        )
    )
    edit = tuned.edit("de", "ja")
    assert edit is tuned.edit("de", "ja") is tuned.edit("de", "ja", estimator="difference")
    assert (list(edit.maps), edit.strength, str(edit.scope)) == ([2], 0.5, "generated")
    assert edit.guard is None
    assert tuned.edit("de", "ja", guard=True).guard is tuned.guard("ja") is tuned.guard("ja", 2)
    assert tuned.edit("de", "ja", guard=True).maps[2] is edit.maps[2] is tuned.map("de", "ja", 2)
    own = tuned.edit("de", "fr")
    assert (list(own.maps), own.strength, str(own.scope)) == ([1], 2, "all")
    assert torch.equal(own.maps[1].vector, space.map(None, "fr", 1, "mean").vector)
    assert tuned.edit(None, "fr", estimator="mean", point=OperatingPoint((0,))).strength == 1
    other = space.with_operating_point(OperatingPoint((1,)))
    assert other.edit("de", "ja") is not edit
    with pytest.raises(LanguageError, match="needs the language"):
        tuned.edit(None, "fr")


def test_a_pickled_space_leaves_behind_what_it_made(space):
    space.edit("de", "ja")
    back = pickle.loads(pickle.dumps(space))
    assert torch.equal(back.edit("de", "ja").maps[1].vector, space.edit("de", "ja").maps[1].vector)


def test_what_was_asked_for_longest_ago_goes_first():
    memo = Memo(limit=10)
    made = []

    def get(key, size):
        return memo.get(key, lambda: made.append(key) or object(), lambda _: size)

    first = get("a", 4)
    get("b", 4)
    assert get("a", 4) is first
    get("c", 4)
    assert get("a", 4) is first, "b was asked for longest ago"
    get("b", 4)
    assert made == ["a", "b", "c", "b"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"layers": ()}, "No layer"),
        ({"layers": (1, 1)}, "layer 1|Layer 1"),
        ({"layers": (-1,)}, "-1"),
        ({"layers": (True,)}, "True"),
        ({"layers": (1,), "strength": math.nan}, "nan"),
        ({"layers": (1,), "strength": None}, "None"),
        ({"layers": (1,), "scope": 3}, "3"),
        ({"layers": (1,), "scope": "somewhere"}, "somewhere"),
    ],
)
def test_points_are_checked(values, named):
    with pytest.raises(LangsteerError, match=named):
        OperatingPoint(**values)
    with pytest.raises(LangsteerError, match=named):
        PairPoint("de", "fr", **{"strength": 1.0, "scope": "all", "estimator": "mean", **values})


def test_a_scope_is_kept_in_its_shortest_form():
    assert OperatingPoint((1,), scope="end[-1:0]").scope == "prompt_last"
    assert OperatingPoint((1,), scope="end[0:]").scope == "end[0:]"


@pytest.mark.parametrize("factor", [1e-3, 30.0, 1e6])
def test_languages_are_compared_whatever_the_size_of_a_coordinate(space, factor):
    """A coordinate that is large within every language says no more than another."""
    size = torch.ones(tiny.WIDTH, dtype=torch.float64)
    size[3] = factor
    larger = {
        language: replace(part, mean=part.mean * size, scatter=part.scatter * size**2)
        for language, part in space.statistics.moments.items()
    }
    scaled = replace(space, statistics=replace(space.statistics, moments=larger))
    torch.testing.assert_close(scaled.standardised_means(1), space.standardised_means(1))
    assert not torch.allclose(scaled.mean("de", 1), space.mean("de", 1))


def test_without_two_texts_of_a_language_the_units_are_those_of_the_latents(space):
    alone = Statistics.empty((0,), tiny.WIDTH, LANGUAGES, pooling="text")
    z = normal(4, 1, tiny.WIDTH, seed=1)
    alone.update(z, torch.ones(4), list(LANGUAGES), ["x"] * 4, tokens=[1] * 4)
    means = replace(space, statistics=alone).standardised_means(0)
    torch.testing.assert_close(means[0], alone.mean("de", 0).double())
