"""Vectors trained by teacher forcing: they do better than Δ, and nothing else changes."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.errors import CorpusError, LangsteerError, ScopeError, SpaceError
from langsteer.fitting.fit import fit
from langsteer.space.space import OperatingPoint, Space
from langsteer.training import TrainingOptions, run, train
from langsteer.training.examples import read_texts
from langsteer.training.shapes import Vectors
from langsteer.training.start import keys_of, unit_of
from langsteer.training.trainer import Trainer, batches

WORDS = {
    "de": ("abc", "bca", "cab", "acb", "bac", "cba", "aab", "bbc", "cca", "abb"),
    "fr": ("xyz", "yzx", "zxy", "xzy", "yxz", "zyx", "xxy", "yyz", "zzx", "xyy"),
    "en": ("mno", "nom", "omn", "mon", "nmo", "onm", "mmn", "nno", "oom", "mnn"),
}
CORPUS = Corpus(
    tuple(
        Text(word, tag, str(number))
        for tag, words in WORDS.items()
        for number, word in enumerate(words)
    ),
    "letters",
)
QUICK = TrainingOptions(
    layers=(0, 1),
    shape="languages",
    scope="all",
    steps=30,
    batch=8,
    learning_rate=0.05,
    held_out=0.3,
    precision="float32",
)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny.make("llama"), tiny.tokenizer(), name="tiny")


@pytest.fixture(scope="module")
def space(model: Model) -> Space:
    return fit(model, CORPUS)


@pytest.mark.parametrize("shape", ["languages", "roles", "targets", "pairs"])
@pytest.mark.parametrize("objective", ["likelihood", "distillation"])
def test_held_out_texts_cost_less_than_with_the_difference(
    model: Model, space: Space, shape: str, objective: str
) -> None:
    options = replace(QUICK, shape=shape, objective=objective, patience=10)  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in model.hf.state_dict().items()}
    record = train(model, space, CORPUS, options).trained.record  # type: ignore[union-attr]
    assert record["loss_after"] < record["loss_before"]
    assert all(torch.equal(before[name], now) for name, now in model.hf.state_dict().items())
    assert all(weight.requires_grad for weight in model.hf.parameters())
    assert not model.hf.training


def test_gradients_are_those_of_the_edit_that_will_be_made(model: Model, space: Space) -> None:
    """The loss of the trainer is the cost under the space's own edit, and slopes as it says."""
    trained = train(model, space, CORPUS, replace(QUICK, steps=2))
    texts = read_texts(model, CORPUS, QUICK)
    pairs = [("de", "fr")]
    found = trained.trained
    assert found is not None
    keys = keys_of("languages", pairs)
    begin = torch.stack([found.vectors[key] for key in keys])
    vectors = Vectors("languages", keys, found.layers, torch.ones(1, 2, 1), begin)
    trainer = Trainer(model, vectors, texts, replace(QUICK, learning_rate=1e-9))
    batch = next(batches(texts, texts.order, pairs, QUICK))
    loss = trainer.step(batch, 1.0)
    slope = vectors.weight.grad
    assert slope is not None
    direction = slope / slope.norm()
    moved = vectors.weight.data + 1e-3 * direction
    after = trainer.loss(batch, moved)
    assert (after - loss) / 1e-3 == pytest.approx(float(slope.norm()), rel=0.1)


def test_checkpointing_changes_no_gradient(model: Model, space: Space) -> None:
    kept = {name: module.training for name, module in model.hf.named_modules()}
    whole = train(model, space, CORPUS, QUICK).trained
    again = train(model, space, CORPUS, replace(QUICK, checkpointing=True)).trained
    assert whole is not None
    assert again is not None
    for key in whole.vectors:
        torch.testing.assert_close(whole.vectors[key], again.vectors[key])
    assert kept == {name: module.training for name, module in model.hf.named_modules()}
    assert not any("_gradient_checkpointing_func" in vars(one) for one in model.hf.modules())


def test_checkpointing_keeps_the_input_of_each_layer_alone(model: Model, space: Space) -> None:
    texts, pairs = read_texts(model, CORPUS, QUICK), [("de", "fr")]
    keys = keys_of("pairs", pairs)

    def held(checkpointing: bool) -> int:
        options = replace(QUICK, checkpointing=checkpointing)
        start = torch.ones(1, 2, space.model.width)
        vectors = Vectors("pairs", keys, (0, 1), torch.ones(1, 2, 1), start)
        trainer = Trainer(model, vectors, texts, options)
        packed = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal packed
            packed += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            trainer.step(next(batches(texts, texts.order, pairs, options)), 1.0)
        return packed

    assert held(True) < held(False)


def test_a_model_whose_layers_cannot_be_computed_again_is_named(
    model: Model, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langsteer.training.checkpointing.FLAG", "nothing_has_this")
    with pytest.raises(LangsteerError, match="without checkpointing"):
        train(model, space, CORPUS, replace(QUICK, checkpointing=True))


def test_strengths_stay_on_the_line_of_the_difference(model: Model, space: Space) -> None:
    options = replace(QUICK, freedom="strengths", shape="pairs", patience=10)
    trained = train(model, space, CORPUS, options).trained
    assert trained is not None
    assert trained.record["loss_after"] < trained.record["loss_before"]
    for place, layer in enumerate(trained.layers):
        delta = space.mean("fr", layer) - space.mean("de", layer)
        mine = trained.maps("de", "fr")[layer].vector.double()
        assert torch.cosine_similarity(mine, delta.double(), dim=0).abs() > 1 - 1e-6
        assert place == 0 or mine.any()


def test_a_few_held_out_texts_are_examples_of_many_pairs(model: Model) -> None:
    """With one example a text, a handful of texts would say when to stop."""
    texts = read_texts(model, CORPUS, QUICK)
    pairs = list(permutations(WORDS, 2))
    found = texts.examples(texts.order[:2], pairs, 100)
    assert len(found) == len({(one.concept, one.pair) for one in found}) == 2 * len(pairs)
    few = texts.examples(texts.order, pairs, 9)
    assert len(few) == len({one.concept for one in few}) == 9
    assert len({one.pair for one in few}) >= len(pairs) - 1


@pytest.mark.parametrize("spaced", [False, True])
def test_what_is_held_out_is_not_trained_on(model: Model, spaced: bool) -> None:
    texts = read_texts(model, CORPUS, QUICK)
    mine, held = texts.split(0.3, spaced=spaced)
    assert sorted([*mine, *held]) == sorted(texts.order)
    assert not set(mine) & set(held)
    assert len(held) == 3
    assert (held == texts.order[-3:]) is not spaced


def test_an_outlying_coordinate_makes_no_step_longer() -> None:
    found = torch.randn(4, 2, 31, generator=torch.Generator().manual_seed(0))
    larger = found.clone()
    larger[..., 5] *= 1e4
    one, other = (unit_of(each, "coordinates") for each in (found, larger))
    assert (other / one < 1.2).all()
    torch.testing.assert_close(unit_of(3 * found, "coordinates"), 3 * one)


def test_a_language_asked_for_itself_is_trained_too(model: Model, space: Space) -> None:
    options = replace(QUICK, shape="targets", same_language=0.5)
    texts = read_texts(model, CORPUS, options)
    pairs = [("de", "fr"), ("en", "fr")]
    source = batches(texts, texts.order, pairs, options)
    seen = [one.pair for _ in range(20) for one in next(source)]
    assert 0.4 < sum(pair == ("fr", "fr") for pair in seen) / len(seen) < 0.6
    assert set(seen) == {*pairs, ("fr", "fr")}
    with pytest.raises(LangsteerError, match="no effect"):
        replace(QUICK, shape="languages", same_language=0.5)


def test_texts_that_are_no_translations_teach_the_language(model: Model, space: Space) -> None:
    apart = Corpus(tuple(replace(text, concept=None) for text in CORPUS.texts), "apart")
    options = replace(QUICK, continuation="any", patience=10)
    record = train(model, space, apart, options).trained.record  # type: ignore[union-attr]
    assert record["loss_after"] < record["loss_before"]
    texts = read_texts(model, CORPUS, options)
    said: dict[str, list[int]] = {language: [] for language in WORDS}
    for concept in texts.order:
        for language, ids in texts.prompts[concept].items():
            word = model.tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "").strip()
            said[language].append(WORDS[language].index(word))
    assert said["de"] != said["fr"]
    with pytest.raises(LangsteerError, match="needs translated texts"):
        replace(options, objective="distillation")


def test_the_same_seed_trains_the_same(model: Model, space: Space) -> None:
    one, two = (train(model, space, CORPUS, QUICK).trained for _ in range(2))
    other = train(model, space, CORPUS, replace(QUICK, seed=1)).trained
    assert one is not None
    assert two is not None
    assert other is not None
    assert all(torch.equal(one.vectors[key], two.vectors[key]) for key in one.vectors)
    assert not torch.equal(one.vectors["de",], other.vectors["de",])


def test_steps_that_led_nowhere_are_taken_back_and_smaller_ones_follow(
    model: Model, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks are made up; each step notes where it starts and how large it may be."""
    looks = [9.0, 3.0, 2.0, 2.5, 2.2, 1.5, 1.5, 1.4, 1.3, 1.2]
    shares = [1, 1, 1 / 3, 1 / 9, 1 / 9, 1 / 27, 1 / 27, 1 / 27]
    loss, step = Trainer.loss, Trainer.step
    starts: list[torch.Tensor] = []
    rates: list[float] = []

    def made_up(self: Trainer, examples: object, weight: torch.Tensor | None = None) -> float:
        return looks.pop(0) if weight is None else loss(self, examples, weight)  # type: ignore[arg-type]

    def noted(self: Trainer, batch: object, rate: float) -> float:
        starts.append(self.vectors.weight.detach().clone())
        rates.append(rate)
        return step(self, batch, rate)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "loss", made_up)
    monkeypatch.setattr(Trainer, "step", noted)
    trained = train(model, space, CORPUS, replace(QUICK, steps=8, patience=10)).trained
    assert trained is not None
    assert rates == pytest.approx([share * (1 - at / 8) for at, share in enumerate(shares)])
    # After steps 2, 3 and 5 there is no gain: what follows starts where step 1 or 4 had ended.
    assert torch.equal(starts[2], starts[1])
    assert torch.equal(starts[3], starts[1])
    assert torch.equal(starts[5], starts[4])
    moved = [not torch.equal(starts[at], starts[at + 1]) for at in (0, 3, 5, 6)]
    assert all(moved)
    assert trained.record["loss_after"] == 1.2


@pytest.mark.parametrize(("at", "rate"), [(1, 0.05), (2, 0.05), (3, 0.05), (2, 1e6)])
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(
    model: Model,
    space: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    rate: float,
) -> None:
    """Also one whose state was written just after steps were taken back."""
    options = replace(QUICK, learning_rate=rate)
    whole = train(model, space, CORPUS, options).trained
    state, written = tmp_path / "state", []
    keep = run.RunState.write

    def killed(self: object, *what: object) -> None:
        keep(self, *what)
        written.append(1)
        if len(written) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(run.RunState, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        train(model, space, CORPUS, options, state=state)
    monkeypatch.undo()
    resumed = train(model, space, CORPUS, options, state=state).trained
    assert whole is not None
    assert resumed is not None
    assert resumed.record == whole.record
    assert all(torch.equal(whole.vectors[key], resumed.vectors[key]) for key in whole.vectors)
    with pytest.raises(LangsteerError, match="another training"):
        train(model, space, CORPUS, replace(options, seed=5), state=state)
    state.write_bytes(state.read_bytes()[:50])
    with pytest.raises(LangsteerError, match="damaged"):
        train(model, space, CORPUS, options, state=state)


def test_shifts_of_languages_add_up_and_a_language_has_none_to_itself(
    model: Model, space: Space
) -> None:
    trained = train(model, space, CORPUS, replace(QUICK, steps=5)).trained
    assert trained is not None
    there, on = trained.maps("de", "fr"), trained.maps("fr", "en")
    straight, none = trained.maps("de", "en"), trained.maps("de", "de")
    for layer in trained.layers:
        torch.testing.assert_close(there[layer].then(on[layer]).vector, straight[layer].vector)
        assert not none[layer].vector.any()


def test_a_space_keeps_what_was_trained(model: Model, space: Space, tmp_path: Path) -> None:
    trained = space.train(model, CORPUS, replace(QUICK, steps=5, scope="prompt"))
    path = tmp_path / "s.safetensors"
    trained.save(path)
    again = Space.load(path)
    assert again.trained is not None
    assert again.operating_point == trained.operating_point
    assert again.trained.record["digest"] == CORPUS.digest
    mine, theirs = trained.edit("de", "fr"), again.edit("de", "fr")
    assert str(theirs.scope) == "prompt"
    assert all(mine.maps[layer].same(theirs.maps[layer]) for layer in (0, 1))
    again.save(tmp_path / "t.safetensors")
    assert (tmp_path / "t.safetensors").read_bytes() == path.read_bytes()


def test_other_estimators_have_their_own_place(model: Model, space: Space) -> None:
    trained = train(model, space, CORPUS, replace(QUICK, steps=2))
    assert set(trained.edit("de", "fr").maps) == {0, 1}
    assert set(trained.edit("de", "fr", estimator="difference").maps) == {1}
    tuned = trained.with_operating_point(OperatingPoint((2,)))
    assert set(tuned.edit("de", "fr").maps) == {2}
    assert set(tuned.edit("de", "fr", estimator="trained").maps) == {0, 1}
    with pytest.raises(SpaceError, match="belong to the layers 0, 1"):
        trained.edit("de", "fr", point=OperatingPoint((0,), estimator="trained"))
    with pytest.raises(SpaceError, match="langsteer train"):
        space.edit("de", "fr", estimator="trained")


@pytest.mark.parametrize(
    ("shape", "said"),
    [("pairs", "only for de to fr"), ("roles", "only for de as a source, fr as a")],
)
def test_only_pairs_that_were_trained_use_their_vectors(
    model: Model, space: Space, shape: str, said: str
) -> None:
    options = replace(QUICK, steps=2, shape=shape)  # type: ignore[arg-type]
    trained = train(model, space, CORPUS, options, [("de", "fr")])
    assert set(trained.edit("de", "fr").maps) == {0, 1}
    assert set(trained.edit("de", "fr", estimator="difference").maps) == {1}
    assert trained.edit("fr", "de").maps.keys() == space.edit("fr", "de").maps.keys() == {1}
    with pytest.raises(SpaceError, match=said):
        trained.edit("fr", "de", estimator="trained")


def test_what_cannot_be_trained_is_said(model: Model, space: Space) -> None:
    apart = Corpus(tuple(replace(text, concept=None) for text in CORPUS.texts), "apart")
    with pytest.raises(CorpusError, match="parallel texts"):
        train(model, space, apart, QUICK)
    with pytest.raises(SpaceError, match="layer"):
        train(model, space, CORPUS, replace(QUICK, layers=(7,)))
    foreign = Corpus(tuple(replace(text, language="sw") for text in CORPUS.texts), "sw")
    with pytest.raises(CorpusError, match="two languages of both"):
        train(model, space, foreign, QUICK)
    for wrong in (
        {"shape": "row"},
        {"objective": "x"},
        {"continuation": "x"},
        {"precision": "x"},
        {"freedom": "x"},
        {"same_language": 1.0, "shape": "roles"},
        {"steps": 0},
        {"held_out": 1.0},
        {"learning_rate": 0.0},
    ):
        with pytest.raises(LangsteerError):
            replace(QUICK, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ScopeError):
        replace(QUICK, scope="nowhere")


def test_what_the_model_says_can_be_what_follows(model: Model, space: Space) -> None:
    options = replace(QUICK, continuation="own", max_continuation=4)
    texts = read_texts(model, CORPUS, options)
    assert set(texts.order) == set(map(str, range(10)))
    assert all(len(ids) <= 4 for found in texts.following.values() for ids in found.values())
