"""Corpus and model in, space out."""

from __future__ import annotations

from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.model import Model
from langsteer.fitting.collect import collect
from langsteer.fitting.reading import Reading
from langsteer.fitting.turns import Turn
from langsteer.space.identity import identify
from langsteer.space.space import CorpusFacts, Space
from langsteer.statistics import Statistics


def fit(
    model: Model,
    corpus: Corpus,
    options: Reading | None = None,
    *,
    progress: bool = False,
) -> Space:
    """Read the corpus once and keep what maps between its languages are made from.

    Args:
        model: the model.
        corpus: texts in two or more languages.
        options: which layers, and how texts are read; all layers and all tokens if None.
        progress: show a bar on standard error.

    Raises:
        CorpusError, ModelError, LatentError, SpaceError: as `collect`.
    """
    statistics = collect(model, corpus, options, progress=progress)
    return space_of(model, corpus, statistics, None if options is None else options.chat)


def space_of(
    model: Model, corpus: Corpus, statistics: Statistics, chat: Turn | None = None
) -> Space:
    """The space of statistics that were collected from `corpus` on the model.

    `chat` is the turn that the texts were put into.
    """
    parts = statistics.moments.items()
    return Space(
        model=identify(model, model.tokenizer, model.name),
        corpus=CorpusFacts(
            name=corpus.name,
            digest=corpus.digest,
            texts={language: part.texts for language, part in parts},
            tokens={language: part.tokens for language, part in parts},
            chat=chat,
        ),
        statistics=statistics,
    )
