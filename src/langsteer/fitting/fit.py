"""Corpus and model in, space out."""

from __future__ import annotations

from collections.abc import Sequence

from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.model import Model
from langsteer.fitting.collect import collect
from langsteer.space.identity import identify
from langsteer.space.space import CorpusFacts, Space
from langsteer.statistics import Keep, Statistics
from langsteer.statistics.pooling import Pooling


def fit(
    loaded: Model,
    corpus: Corpus,
    *,
    layers: Sequence[int] | None = None,
    pooling: Pooling = "tokens",
    keep: Keep | None = None,
    max_length: int | None = None,
    progress: bool = False,
) -> Space:
    """Read the corpus once and keep what maps between its languages are made from.

    `layers` are blocks, 0-based (None: all of them). `keep` asks for more than means, for the
    estimators that need it. Raises `CorpusError`, `ModelError`, `LatentError` and `SpaceError` as
    `collect` does.
    """
    statistics = collect(
        loaded.stream,
        loaded.tokenizer,
        corpus,
        layers=layers,
        pooling=pooling,
        keep=keep,
        max_length=max_length,
        progress=progress,
    )
    return space_of(loaded, corpus, statistics)


def space_of(loaded: Model, corpus: Corpus, statistics: Statistics) -> Space:
    """The space of statistics that were collected from `corpus` on the loaded model."""
    parts = statistics.moments.items()
    return Space(
        model=identify(loaded.stream, loaded.tokenizer, loaded.name),
        corpus=CorpusFacts(
            name=corpus.name,
            digest=corpus.digest,
            texts={language: part.texts for language, part in parts},
            tokens={language: part.tokens for language, part in parts},
        ),
        statistics=statistics,
    )
