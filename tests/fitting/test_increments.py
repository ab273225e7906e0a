"""Several layers: each adds what has not arrived, where the right answer is known."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.errors import LanguageError, SpaceError, SteeringError
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.increments import fit_increments
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.statistics import Statistics

CORPUS = Corpus(
    tuple(
        Text(word, tag)
        for tag, words in {"de": ["abc", "bca", "ccab"], "fr": ["xyz", "zyx", "xxyz"]}.items()
        for word in words
    ),
    "letters",
)


class Linear(nn.Module):
    """A block that is linear in the stream and adds something of its own for each token."""

    def __init__(self, ids: list[Tensor], generator: torch.Generator) -> None:
        super().__init__()
        self.ids = ids
        self.mix = torch.randn(tiny.WIDTH, tiny.WIDTH, generator=generator) / 8
        self.own = torch.randn(tiny.VOCABULARY, tiny.WIDTH, generator=generator)

    def forward(self, hidden: Tensor, **_: object) -> Tensor:
        return hidden + hidden @ self.mix.T + self.own[self.ids[-1]]


@pytest.fixture
def loaded() -> Model:
    model, generator, ids = tiny.make("llama"), torch.Generator().manual_seed(0), []
    model.get_input_embeddings().register_forward_pre_hook(lambda module, args: ids.append(args[0]))
    for index in range(tiny.DEPTH):
        model.model.layers[index] = Linear(ids, generator)
    return Model(model, tiny.tokenizer(), name="linear")


def lack(loaded: Model, maps: dict[int, Shift], layer: int) -> Tensor:
    """What the mean of the steered source lacks of the target's [d]."""
    goal = collect(loaded, CORPUS).mean("fr", layer)
    with steering(loaded.stream, Edit(maps)):
        steered = collect(loaded, CORPUS.select(("de",)), alone=True)
    return goal - steered.mean("de", layer)


def own(loaded: Model, layer: int) -> Tensor:
    """How the two languages' means differ in what a block adds of its own [d]."""
    means = []
    for tag in ("fr", "de"):
        texts = [text.text for text in CORPUS.texts if text.language == tag]
        ids = [token for text in texts for token in tiny.tokenizer()(text)["input_ids"][1:]]
        means.append(loaded.stream.layers[layer].own[ids].double().mean(0))
    return means[0] - means[1]


def test_an_increment_is_what_the_blocks_between_add(loaded: Model) -> None:
    """In a linear stream it can be written down: nothing of the first shift is counted again."""
    found = fit_increments(loaded, CORPUS, [2, 0], "de", "fr")
    assert list(found) == [0, 2]
    passed = torch.eye(tiny.WIDTH, dtype=torch.float64) + loaded.stream.layers[2].mix.double()
    known = passed @ own(loaded, 1) + own(loaded, 2)
    torch.testing.assert_close(found[2].vector.double(), known, rtol=1e-4, atol=1e-4)


def test_increments_arrive_where_plain_differences_overshoot(loaded: Model) -> None:
    layers = [0, 1, 2]
    found = fit_increments(loaded, CORPUS, layers, "de", "fr")
    statistics = collect(loaded, CORPUS)
    plain = {
        layer: Shift((statistics.mean("fr", layer) - statistics.mean("de", layer)).float())
        for layer in layers
    }
    for layer in layers:
        assert float(lack(loaded, found, layer).norm()) < 1e-4
    whole = plain[2].vector.double()
    beyond = -lack(loaded, plain, 2)
    assert float(beyond.norm()) > float(whole.norm()), "it goes more than twice the way"
    torch.testing.assert_close(found[0].vector, plain[0].vector)


def test_one_layer_is_the_difference_of_means(loaded: Model) -> None:
    (only,) = fit_increments(
        loaded, CORPUS, [1], "fr", "de", options=Reading(pooling="last")
    ).values()
    statistics = collect(loaded, CORPUS, Reading(pooling="last"))
    wanted = statistics.mean("de", 1) - statistics.mean("fr", 1)
    torch.testing.assert_close(only.vector, wanted.float())


def test_what_does_not_fit_is_an_error(loaded: Model) -> None:
    with pytest.raises(SteeringError, match="at least one layer and two languages"):
        fit_increments(loaded, CORPUS, [], "de", "fr")
    with pytest.raises(SteeringError, match="from de to de"):
        fit_increments(loaded, CORPUS, [1], "de", "de")
    with pytest.raises(LanguageError):
        fit_increments(loaded, CORPUS, [1], "de", "zh")


def test_a_space_makes_edits_at_several_layers_of_increments(loaded: Model, tmp_path: Path) -> None:
    plain = Space.fit(loaded, CORPUS)
    space = plain.with_increments(loaded, CORPUS, [2, 0], [("de", "fr")])
    space = space.with_increments(loaded, CORPUS, [1, 2])
    space.save(tmp_path / "s")
    space = Space.load(tmp_path / "s")
    point = OperatingPoint((0, 2))
    edit = space.edit("de", "fr", point=point)
    alone = fit_increments(loaded, CORPUS, [0, 2], "de", "fr")
    for layer in (0, 2):
        torch.testing.assert_close(edit.maps[layer].vector, alone[layer].vector)
        assert float(lack(loaded, edit.maps, layer).norm()) < 1e-4
    assert list(space.edit("fr", "de", point=OperatingPoint((1, 2))).maps) == [1, 2]
    with pytest.raises(SpaceError, match="--increments 0,2 --from fr --to de"):
        space.edit("fr", "de", point=point)
    with pytest.raises(SpaceError, match="--increments 0,1,2"):
        plain.edit("de", "fr", point=OperatingPoint((0, 1, 2)))
    with pytest.raises(SpaceError, match="two or more layers"):
        plain.with_increments(loaded, CORPUS, [1])
    with pytest.raises(LanguageError):
        plain.with_increments(loaded, CORPUS, [1, 2], [("de", "zh")])


def test_increments_of_other_texts_than_the_space_was_fitted_on(loaded: Model) -> None:
    """The texts at hand decide, and a layer that the space lacks is collected."""
    other = Corpus(CORPUS.texts[1:], "fewer")
    space = Space.fit(loaded, CORPUS, Reading(layers=[1]))
    found = space.with_increments(loaded, other, [0, 1], [("de", "fr")]).increments[0]
    alone = fit_increments(loaded, other, [0, 1], "de", "fr")
    torch.testing.assert_close(found.shifts["de", "fr"][1], alone[1].vector)


def test_matched_increments_leave_no_matched_difference(loaded: Model) -> None:
    """With both in force, the languages are the same at the same tokens, at both layers."""
    words = {"de": ["abcx", "bcxa", "ccab"], "fr": ["xyzc", "zycax", "xxyz"]}
    mixed = Corpus(tuple(Text(word, tag) for tag in words for word in words[tag]), "mixed")
    maps = fit_increments(loaded, mixed, [0, 2], "de", "fr", options=Reading(pooling="matched"))
    table = token_table(loaded, mixed)

    def read(tag: str) -> Statistics:
        texts = mixed.select((tag,))
        return collect(loaded, texts, Reading(pooling="matched"), table=table)

    with steering(loaded.stream, Edit(maps)):
        steered = read("de")
    apart, plain = steered.merge(read("fr")), collect(loaded, mixed)
    for layer in (0, 2):
        left = apart.mean("fr", layer) - apart.mean("de", layer)
        assert left.norm() < 1e-4 * (plain.mean("fr", layer) - plain.mean("de", layer)).norm()
