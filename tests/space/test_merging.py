"""Merged spaces are what one reading would have made; what does not fit is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.errors import SpaceError
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.fitting.shard import Shard
from langsteer.space.merging import merge
from langsteer.space.space import Space
from langsteer.statistics import Keep


def texts(numbers: range, languages: tuple[str, ...] = ("de", "fr")) -> Corpus:
    rows = [
        Text(f"{language} sagt {number * 7}", language, str(number))
        for number in numbers
        for language in languages
    ]
    return Corpus(tuple(rows), f"from-{numbers.start}")


def model(seed: int = 0) -> Model:
    return Model(tiny.make("llama", seed=seed), tiny.tokenizer())


@pytest.mark.parametrize("mergeable", [False, True])
def test_what_was_saved_merges_to_the_whole(mergeable: bool, tmp_path: Path) -> None:
    """To rounding of the latents; and what was saved for it loses nothing on the way."""
    reader = model()
    whole = fit(reader, texts(range(20)))
    parts = [fit(reader, texts(numbers)) for numbers in (range(8), range(8, 20))]
    files = [tmp_path / "0.safetensors", tmp_path / "8.safetensors"]
    for part, file in zip(parts, files, strict=True):
        part.save(file, mergeable=mergeable)
    merged = merge([Space.load(file) for file in files])
    assert merged.corpus.name == "from-0 + from-8"
    assert merged.corpus.texts == whole.corpus.texts
    for layer in whole.layers:
        means = merged.statistics.means(layer)
        torch.testing.assert_close(means, whole.statistics.means(layer), rtol=1e-5, atol=1e-5)
        if mergeable:
            assert torch.equal(means, merge(parts).statistics.means(layer))


def test_further_languages_join(tmp_path: Path) -> None:
    reader = model()
    merged = merge([fit(reader, texts(range(9))), fit(reader, texts(range(9), ("es", "it")))])
    assert set(merged.languages) == {"de", "fr", "es", "it"}
    assert merged.edit("de", "it") is not None


def test_matched_means_merge_after_a_file_if_they_were_saved_for_it(tmp_path: Path) -> None:
    reader, options = model(), Reading(pooling="matched")
    one, other = (fit(reader, texts(numbers), options) for numbers in (range(20), range(20, 30)))
    bare, kept = tmp_path / "bare.safetensors", tmp_path / "kept.safetensors"
    one.save(bare)
    one.save(kept, mergeable=True)
    with pytest.raises(SpaceError, match="--mergeable"):
        merge([Space.load(bare), other])
    again = Space.load(kept)
    assert torch.equal(merge([again, other]).mean("de", 1), merge([one, other]).mean("de", 1))
    again.save(bare)
    assert Space.load(bare).mean("de", 1).shape == (reader.width,), "the equations are left out"


def test_texts_are_not_counted_twice() -> None:
    reader, corpus = model(), texts(range(20))
    whole = fit(reader, corpus)
    one, two, three = (fit(reader, corpus, shard=Shard(number, 3)) for number in range(3))
    assert merge([three, one, two]).corpus.digest == whole.corpus.digest
    assert merge([three, one]).corpus.digest == f"{whole.corpus.digest}:1/3+3/3"
    same, part = "the same", "part 1/3 of"
    for twice, said in [((one, one), part), ((whole, one), same), ((whole, whole), same)]:
        with pytest.raises(SpaceError, match=f"are of {said}"):
            merge(twice)


def test_what_does_not_fit_is_refused() -> None:
    one = fit(model(), texts(range(9)))
    for other, said in [
        (fit(model(seed=1), texts(range(9, 18))), "different models: the weights"),
        (fit(Model(tiny.make("gpt2"), tiny.tokenizer()), texts(range(9))), "the kind of model"),
        (fit(model(), texts(range(9)), Reading(layers=[1])), "cannot be merged"),
        (fit(model(), texts(range(9)), Reading(pooling="text")), "cannot be merged"),
        (fit(model(), texts(range(9)), Reading(keep=Keep("pooled"))), "second moments"),
        (replace(one, corpus=replace(one.corpus, chat="user")), "the user turn"),
    ]:
        with pytest.raises(SpaceError, match=said):
            merge([one, other])
    with pytest.raises(SpaceError, match="at least two"):
        merge([one])
