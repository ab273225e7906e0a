"""From a corpus and a model to a space that makes maps."""

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.estimators import keep_for
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import Space

WORDS = {
    "de": ("Haus", "Baum", "Wasser", "Feuer", "Stein", "Brot", "Nacht", "Hand", "Auge"),
    "fr": ("maison", "arbre", "eau", "feu", "pierre", "pain", "nuit", "main", "oeil"),
    "ru": ("дом", "дерево", "вода", "огонь", "камень", "хлеб", "ночь", "рука", "глаз"),
}


@pytest.fixture(scope="module")
def loaded():
    model = tiny.make("llama")
    return Model(model, tiny.tokenizer(), name="tiny/llama")


@pytest.fixture(scope="module")
def corpus():
    texts = [
        Text(word, language, str(i))
        for language, words in WORDS.items()
        for i, word in enumerate(words)
    ]
    return Corpus(tuple(texts), "words")


def test_one_pass_serves_every_estimator(loaded, corpus, tmp_path):
    names = ["difference", "effects", "erasure", "transport-low-rank:2", "regression", "probe"]
    fit(loaded, corpus, Reading(keep=keep_for(names))).save(tmp_path / "s")
    space = Space.load(tmp_path / "s")
    space.check(loaded.stream, loaded.tokenizer)
    z = torch.randn(2, tiny.WIDTH)
    for name in names:
        for layer in space.layers:
            assert space.map("ru", "fr", layer, name)(z).isfinite().all()


def test_a_space_says_what_it_was_fitted_on(loaded, corpus):
    space = fit(loaded, corpus, Reading(layers=[1], pooling="text"))
    assert (space.layers, space.languages, space.pooling) == ((1,), ("de", "fr", "ru"), "text")
    assert space.model.name == "tiny/llama"
    assert space.corpus.digest == corpus.digest
    assert space.corpus.texts == {"de": 9, "fr": 9, "ru": 9}
    assert space.corpus.tokens["de"] == sum(len(word.encode()) for word in WORDS["de"])
    assert space.statistics.alignment.concepts == 9


def test_the_difference_is_that_of_the_latents(loaded, corpus):
    space = fit(loaded, corpus, Reading(pooling="last"))
    last = {
        language: torch.stack(
            [
                loaded.stream.read(torch.tensor([loaded.tokenizer(word)["input_ids"]]), None, [1])[
                    0
                ][0, -1]
                for word in words
            ]
        ).mean(0)
        for language, words in WORDS.items()
    }
    torch.testing.assert_close(
        space.map("de", "ru", 1, "difference").vector, last["ru"] - last["de"], atol=1e-5, rtol=1e-4
    )
