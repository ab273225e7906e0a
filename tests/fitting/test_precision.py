"""A reading that ends when enough is known: what was promised is kept in 95 of 100 cases."""

from collections import Counter
from pathlib import Path

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.fitting import collect as room
from langsteer.fitting import resuming
from langsteer.fitting.collect import collect
from langsteer.fitting.precision import Precision, quantile
from langsteer.fitting.reading import Reading
from langsteer.fitting.resuming import Sums
from langsteer.fitting.shard import Shard
from langsteer.statistics import Statistics
from langsteer.statistics.folds import FOLDS

LANGUAGES = ("de", "fr", "ja")
WIDTH, CHUNK, MOST, RUNS = 24, 48, 30_000, 60
SPECTRA = {
    "alike": torch.ones(WIDTH),
    "falling": 0.6 ** torch.arange(WIDTH).float(),
    "one direction": torch.cat([torch.ones(1), torch.full((WIDTH - 1,), 0.02)]),
}


def stopped(seed: int, spectrum: torch.Tensor, target: float) -> tuple[list[float], int]:
    """The true cosines where reading stops, and how many texts of a language that took."""
    g = torch.Generator().manual_seed(seed)
    effects = 0.4 * torch.randn(len(LANGUAGES), WIDTH, generator=g)
    basis = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=g)).Q
    scale = basis * (spectrum / spectrum.square().mean().sqrt())
    sums = Sums(Statistics.empty((0,), WIDTH, LANGUAGES), None)
    sums.precision = Precision(target, LANGUAGES, 1, WIDTH)
    number = 0
    while len(sums.known) < len(LANGUAGES) and number < MOST:
        texts = [(one, number + i) for i in range(CHUNK // 3) for one in LANGUAGES]
        texts = [one for one in texts if one[0] not in sums.known]
        means = torch.stack(
            [effects[LANGUAGES.index(one)] + scale @ torch.randn(WIDTH, generator=g)
             for one, _ in texts]
        )[:, None]  # fmt: skip
        languages, weights = [one for one, _ in texts], torch.ones(len(texts))
        sums.statistics.update(means, weights, languages, [None] * len(texts))
        sums.precision.add(means, weights, languages, [place % FOLDS for _, place in texts])
        sums.look()
        number += CHUNK // 3
    found = sums.statistics.means(0).float()
    cosines = [
        float(torch.cosine_similarity(found[i] - found[j], effects[i] - effects[j], dim=0))
        for i in range(3)
        for j in range(i)
    ]
    return cosines, number


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_cosine_is_reached_as_often_as_is_said(spectrum: str) -> None:
    runs = [stopped(seed, SPECTRA[spectrum], 0.97) for seed in range(RUNS)]
    reached = [cosine >= 0.97 for cosines, _ in runs for cosine in cosines]
    assert sum(reached) / len(reached) >= 0.94
    assert all(number < MOST for _, number in runs)


def test_a_higher_cosine_takes_more_texts() -> None:
    near, far = (stopped(0, SPECTRA["alike"], target)[1] for target in (0.9, 0.99))
    assert far > 4 * near


def test_the_quantile_is_that_of_the_distribution() -> None:
    g = torch.Generator().manual_seed(0)
    for degrees in (1, 2, 5, 15):
        drawn = torch.randn(200_000, degrees, generator=g).square().sum(1) / degrees
        expected = float(drawn.quantile(0.95))
        assert float(quantile(torch.tensor(float(degrees)))) == pytest.approx(expected, rel=0.05)


def corpus(count: int) -> Corpus:
    said = {"de": "die Zahl", "fr": "un autre nombre", "en": "number"}
    rows = [
        Text(f"{words} {number}", language, str(number))
        for number in range(count)
        for language, words in said.items()
    ]
    return Corpus(tuple(rows), "numbers")


@pytest.mark.parametrize("pooling", ["tokens", "matched"])
def test_a_language_that_is_known_is_read_no_further(
    pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_chunk_size", lambda *_: 30)
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "SHARE", 0.0)
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    options = Reading(pooling=pooling, precision=0.9)  # type: ignore[arg-type]
    whole = corpus(400)
    found = collect(model, whole, options)
    texts = Counter({language: part.texts for language, part in found.moments.items()})
    assert all(64 <= count < 400 for count in texts.values())
    again = collect(model, whole, options, state=tmp_path / "state")
    resumed = collect(model, whole, options, state=tmp_path / "state")
    for other in (again, resumed):
        assert {one: part.texts for one, part in other.moments.items()} == texts
        assert torch.equal(other.means(1), found.means(1))


def test_what_the_texts_did_not_suffice_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    collect(Model(tiny.shared("llama"), tiny.tokenizer()), corpus(9), Reading(precision=0.999))
    assert "a precision of 0.999 was sure for de, en, fr; give more" in capsys.readouterr().err


def test_what_makes_no_sense_is_refused() -> None:
    for cosine in (0.0, 1.0, 1.5, float("nan")):
        with pytest.raises(LangsteerError, match="precision is a cosine"):
            Reading(precision=cosine)
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    with pytest.raises(LangsteerError, match="part 1/2 alone cannot know"):
        collect(model, corpus(9), Reading(precision=0.9), shard=Shard(0, 2))
