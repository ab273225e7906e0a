"""Corpus and model in, space out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.model import Model
from langsteer.fitting.collect import collect
from langsteer.fitting.processes import Processes
from langsteer.fitting.reading import Reading
from langsteer.fitting.shard import WHOLE, Shard
from langsteer.fitting.turns import Turn
from langsteer.space.facts import PART
from langsteer.space.identity import identify
from langsteer.space.space import CorpusFacts, Space
from langsteer.statistics import Statistics


def fit(
    model: Model,
    corpus: Corpus,
    options: Reading | None = None,
    *,
    state: Path | None = None,
    shard: Shard = WHOLE,
    progress: bool = False,
) -> Space:
    """Read the corpus once and keep what maps between its languages are made from.

    Where several processes were started together, by `torchrun` or the like, see `fit_together`.

    Args:
        model: the model.
        corpus: texts in two or more languages.
        options: which layers, and how texts are read; all layers and all tokens if None.
        state: a file that keeps what is read: after a kill the same call goes on from there.
        shard: the part of the corpus that is read; `space.merging.merge` joins the parts.
        progress: show a bar on standard error.

    Raises:
        CorpusError, ModelError, LatentError, SpaceError, LangsteerError: as `collect`.
    """
    statistics = collect(model, corpus, options, state=state, shard=shard, progress=progress)
    chat = None if options is None else options.chat
    return space_of(model, corpus, statistics, chat, shard)


def fit_together(
    model: Model,
    corpus: Corpus,
    processes: Processes,
    options: Reading | None = None,
    *,
    state: Path | None = None,
    progress: bool = False,
) -> Space | None:
    """As `fit`, in several processes: in the first the space, in the others None.

    Each reads its part of the corpus, and keeps its state in a file of its own beside `state`. If
    they hold one model, divided, all read the same, and no state is kept: they could not be sure to
    go on from the same place.

    Raises:
        CorpusError, ModelError, LatentError, SpaceError: as `collect`.
        LangsteerError: another process died.
    """
    own = None if state is None or processes.divided else processes.own(state)
    shown = progress and processes.rank == 0
    mine = fit(model, corpus, options, state=own, shard=processes.shard, progress=shown)
    statistics = processes.reduced(mine.statistics)
    if statistics is None:
        return None
    # The identity is that of all: to find it again, of a model that is divided, would take all.
    facts = _facts(corpus, statistics, mine.corpus.chat, WHOLE)
    return replace(mine, statistics=statistics, corpus=facts)


def space_of(
    model: Model,
    corpus: Corpus,
    statistics: Statistics,
    chat: Turn | None = None,
    shard: Shard = WHOLE,
) -> Space:
    """The space of statistics that were collected from `corpus` on the model, or a part of it.

    `chat` is the turn that the texts were put into.
    """
    return Space(
        model=identify(model, model.tokenizer, model.name),
        corpus=_facts(corpus, statistics, chat, shard),
        statistics=statistics,
    )


def _facts(corpus: Corpus, statistics: Statistics, chat: str | None, shard: Shard) -> CorpusFacts:
    part = "" if shard == WHOLE else f"{PART}{shard}"
    parts = statistics.moments.items()
    return CorpusFacts(
        name=corpus.name,
        digest=f"{corpus.digest}{part}",
        texts={language: part.texts for language, part in parts},
        tokens={language: part.tokens for language, part in parts},
        chat=chat,
    )
