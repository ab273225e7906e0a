"""A corpus and a model become statistics: one pass, all layers, nothing kept but sums."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import langsteer
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import CorpusError, LangsteerError, LatentError, SpaceError
from langsteer.fitting.ahead import ahead
from langsteer.fitting.averages import Averages, Last, Listener
from langsteer.fitting.matched import Matcher
from langsteer.fitting.precision import Precision
from langsteer.fitting.reading import Reading
from langsteer.fitting.resuming import CPU, Resumable, Sums
from langsteer.fitting.rows import Batch, Tokenizer, Tokens, in_batches
from langsteer.fitting.shard import WHOLE, Shard
from langsteer.fitting.within import Within
from langsteer.progress import Advance, bar
from langsteer.space.identity import identify
from langsteer.space.state import RunState
from langsteer.statistics import Keep, Matching, Statistics, TokenTable
from langsteer.statistics.folds import fold_of
from langsteer.statistics.pooling import OF_TOKENS
from langsteer.statistics.scatter import GIBIBYTE

READING = "reading"
NOTABLE = GIBIBYTE
"""Bytes of memory for statistics above which the figure is printed."""
_CHUNK_TEXTS = 512
_CHUNK_BYTES = {"cpu": 64 * 1024**2, "cuda": 256 * 1024**2}
"""Latents of a chunk: in a cache there, and here so much that a GPU seldom waits for the next."""


def collect(
    model: Model,
    corpus: Corpus,
    options: Reading | None = None,
    *,
    table: TokenTable | None = None,
    alone: bool = False,
    state: Path | None = None,
    shard: Shard = WHOLE,
    progress: bool = False,
) -> Statistics:
    """Run a corpus through the decoder once and fold the latents of every layer into statistics.

    Only the decoder runs, up to the last wanted layer. Memory does not depend on the number of
    texts: latents are averaged within each text as they come, and texts are folded in by chunks
    that hold whole concepts. What is left out is counted in `Statistics.dropped`: `special` tokens
    (such as a leading beginning-of-sequence token), tokens with `massive` norms (at the layer where
    they have it; a text that has no others keeps them), and tokens beyond the context (`long`).
    A text that occurs more than once in its language counts once, as copies are no new evidence;
    `Statistics.duplicates` says how many were left out.

    Args:
        model: the model; its tokenizer is not changed.
        corpus: texts in two or more languages, or in one if it is to be read `alone`.
        options: which layers, and how texts are read; the defaults of `Reading` if None.
        table: for pooling `matched`, how often each token occurs; counted in this corpus if None.
            Parts of a corpus that are collected one by one and merged need that of the whole, see
            `token_table`.
        alone: the texts may all be in one language.
        state: a file in which what is read is kept, once a minute: after a kill the same call goes
            on from there and ends with the same statistics. It stays; remove it when done.
        shard: the part of the corpus that is read. The statistics of all parts merge to those of
            the whole.
        progress: show a bar with rate and time left on standard error.

    Raises:
        CorpusError: the corpus has one language only (neither `alone` nor with a table of more),
            a text has no tokens, or languages share no token (`matched`).
        SpaceError: `keep` needs more memory than its limit, or asks for second moments of tokens
            where texts and not tokens are pooled.
        LatentError: a latent is not finite; the message names the layer and the text.
        ModelError: a layer is outside the model.
        LangsteerError: the state is damaged, or that of another reading; or a precision is asked
            for of a part.
    """
    options = options or Reading()
    if len(corpus.languages) < 2 and table is None and not alone:
        raise CorpusError(
            f"the corpus {corpus.name!r} has one language only, {corpus.languages[0]}; "
            "give texts in at least two"
        )
    if options.precision is not None:
        _refuse_parts(shard)
    duplicates, corpus = corpus.duplicates(), _distinct(corpus)
    stream, tokenizer = model.stream, Tokenizer.of(model, options)
    every = range(stream.depth) if options.layers is None else options.layers
    layers = [stream.check_layer(layer) for layer in every]
    sums = _nothing(model, corpus, options, layers, table)
    size = _chunk_size(len(layers), stream, len(corpus) // shard.count)
    settings = {} if state is None else _settings(model, corpus, options, shard, size)
    resumable = Resumable(RunState(state, settings, READING))
    resumable.resume(sums)
    collector = _Collector(stream, layers, options, sums, options.tokens_per_batch)
    chunks = list(shard.of(_chunks(corpus.texts, size, options.order)))

    def prepare(places: Tensor) -> tuple[list[Text], list[Tokens]]:
        texts = [corpus.texts[place] for place in places.tolist()]
        return texts, tokenizer(texts)

    with bar("collecting", sum(map(len, chunks)), quiet=not progress) as advance:
        advance(sum(map(len, chunks[: sums.chunks])))
        for texts, tokenized in ahead(chunks[sums.chunks :], prepare):
            collector.run(texts, tokenized, advance)
            resumable.keep(sums)
    _say_unknown(sums, options.precision)
    return _finished(sums, duplicates if shard.number == 0 else {})


def _nothing(
    model: Model,
    corpus: Corpus,
    options: Reading,
    layers: Sequence[int],
    table: TokenTable | None,
) -> Sums:
    """The sums before the first text."""
    stream, device = model.stream, _wide(model.stream.device)
    _announce(options.keep or Keep(), layers, stream.width, len(corpus.languages), options.pooling)
    languages, matcher, precision = corpus.languages, None, None
    if options.pooling == "matched":
        table = table or token_table(model, corpus, options)
        table.require_connected()
        languages = _known(table, corpus)
        matcher = Matcher.of(table, layers, stream.width, device)
    if options.precision is not None:
        precision = Precision(
            options.precision, languages, len(layers), stream.width, stream.device
        )
    statistics = Statistics.empty(
        layers, stream.width, languages, pooling=options.pooling, keep=options.keep, device=device
    )
    return Sums(statistics, matcher, precision=precision)


def _finished(sums: Sums, duplicates: dict[str, int]) -> Statistics:
    """The statistics, on the CPU, with what was left out."""
    statistics = sums.statistics.to(CPU)
    statistics.dropped = {**{"special": 0, "massive": 0, "long": 0}, **sums.dropped}
    statistics.duplicates = duplicates
    if sums.matcher is not None:
        statistics.match(sums.matcher.matching.to(CPU))
    return statistics


def token_table(model: Model, corpus: Corpus, options: Reading | None = None) -> TokenTable:
    """How often each token occurs in each language, for pooling `matched`; the model is not run.

    The arguments are those of `collect`. Raises `CorpusError` when a text has no tokens.
    """
    tokenizer, corpus = Tokenizer.of(model, options or Reading()), _distinct(corpus)
    rows = (
        (text.language, [row.ids[place] for place in row.compared])
        for start in range(0, len(corpus.texts), _CHUNK_TEXTS)
        for part in [corpus.texts[start : start + _CHUNK_TEXTS]]
        for text, row in zip(part, tokenizer(part), strict=True)
    )
    folds = [fold_of(text.concept, text.text) for text in corpus.texts]
    return TokenTable.of(corpus.languages, rows, folds)


def _distinct(corpus: Corpus) -> Corpus:
    """The corpus without copies of texts in the same language."""
    if not any(corpus.repeated):
        return corpus
    return corpus.chosen(place for place, copy in enumerate(corpus.repeated) if not copy)


def _known(table: TokenTable, corpus: Corpus) -> tuple[str, ...]:
    """The languages of the table, if those of the corpus are among them."""
    if missing := sorted(set(corpus.languages) - set(table.languages)):
        raise CorpusError(
            f"the table of tokens does not know {', '.join(missing)}, only "
            f"{', '.join(table.languages)}; make it with token_table from the whole corpus"
        )
    return table.languages


def _announce(keep: Keep, layers: Sequence[int], width: int, languages: int, pooling: str) -> None:
    """Say how much memory is needed where it is much; refuse what cannot be."""
    if keep.observation == "tokens" and pooling not in OF_TOKENS:
        raise SpaceError(
            f"Second moments of tokens were asked for with pooling={pooling!r}, in which texts "
            "count and not tokens. Use pooling='tokens' or 'matched', or second moments of texts."
        )
    keep.check(layers, width, languages)
    need = keep.bytes(layers, width, languages)
    if pooling == "matched":
        need += Matching.bytes(languages, len(layers), width)
    if need > NOTABLE:
        print(f"statistics take {need / GIBIBYTE:.1f} GiB of memory", file=sys.stderr)


def _of_tokens(keep: Keep | None) -> bool:
    return keep is not None and keep.observation == "tokens" and keep.second_moments != "none"


def _say_unknown(sums: Sums, precision: float | None) -> None:
    """Say which languages the texts did not suffice for."""
    unknown = [one for one in sums.statistics.languages if one not in sums.known]
    if precision is not None and unknown:
        print(
            f"all texts were read before a precision of {precision:g} was sure for "
            f"{', '.join(unknown)}; give more texts in these languages",
            file=sys.stderr,
        )


def _refuse_parts(shard: Shard) -> None:
    if shard != WHOLE:
        raise LangsteerError(
            f"a precision says when enough was read, which part {shard} alone cannot know; read "
            "all texts in one process, or the parts without it"
        )


def _settings(
    model: Model, corpus: Corpus, options: Reading, shard: Shard, size: int
) -> dict[str, Any]:
    """What a state of a reading belongs to."""
    return {
        "langsteer": langsteer.__version__,
        "model": asdict(identify(model, model.tokenizer, model.name)),
        "corpus": corpus.digest,
        "options": repr(options),
        "part": [shard.number, shard.count],
        "chunk": size,
    }


@dataclass
class _Collector:
    """Runs chunks of texts, averages the latents within each text, and folds them into sums."""

    stream: ResidualStream
    layers: list[int]
    options: Reading
    sums: Sums
    budget: int
    """The most tokens in one batch; less from when memory did not suffice on."""

    def run(self, texts: Sequence[Text], tokenized: Sequence[Tokens], advance: Advance) -> None:
        """Read a chunk, but for languages that are known. The device is waited for at its end."""
        wanted = [row for row, text in enumerate(texts) if text.language not in self.sums.known]
        advance(len(texts) - len(wanted))
        texts, tokenized = [texts[row] for row in wanted], [tokenized[row] for row in wanted]
        if not texts:
            self.sums.chunks += 1
            return
        means, massive, tokens = self._latents(texts, tokenized, advance)
        self._check(means, texts)
        weights = self._count(tokenized, massive, tokens)
        self.sums.statistics.update(
            means,
            weights,
            [text.language for text in texts],
            [text.concept for text in texts],
            tokens=tokens.tolist(),
        )
        if self.sums.precision is not None:
            folds = [fold_of(text.concept, text.text) for text in texts]
            self.sums.precision.add(means, weights, [text.language for text in texts], folds)
            self.sums.look()
        self.sums.chunks += 1

    def _count(self, tokenized: Sequence[Tokens], massive: Tensor, tokens: Tensor) -> Tensor:
        """Count what was left out; the weights [n] of the texts."""
        dropped = self.sums.dropped
        dropped["massive"] += int(massive.sum())
        dropped["long"] += sum(row.cut for row in tokenized)
        left_out = "special" if self.options.chat is None else "template"
        dropped[left_out] += sum(len(row.ids) for row in tokenized) - int(tokens.sum())
        if self.options.pooling in OF_TOKENS:
            return (tokens - massive).clamp(min=1).float()
        return torch.ones(len(tokens))

    def _latents(
        self, texts: Sequence[Text], tokenized: Sequence[Tokens], advance: Advance
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The mean latents [n, layers, d] float32; of each text, on the CPU, how many tokens were
        massive [n] and how many it has [n]."""
        device = self.stream.device
        means = torch.empty(len(texts), len(self.layers), self.stream.width, device=device)
        massive = torch.zeros(len(texts), dtype=torch.int64, device=device)
        for rows in in_batches(tokenized, self.budget):
            for batch, pool in self._read(texts, tokenized, rows):
                latents = [pool.means[layer].to(device) for layer in self.layers]
                means[batch.at] = torch.stack(latents, dim=1)
                massive[batch.at] = pool.massive
                advance(len(batch.rows))
        tokens = torch.tensor([sum(row.content) for row in tokenized])
        return means, massive.cpu(), tokens

    def _read(
        self, texts: Sequence[Text], tokenized: Sequence[Tokens], rows: Sequence[int]
    ) -> Iterator[tuple[Batch, Averages | Last]]:
        """The rows read as one batch, or where memory does not suffice for it, in halves."""
        try:
            batch = Batch.of(tokenized, rows, self.stream.device)
            pool = self._pool(batch, [texts[row] for row in rows], [tokenized[row] for row in rows])
            self.stream.visit(batch.ids, batch.mask, self.layers, pool.read)
            pool.commit()
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise
            self.budget = max(1, self.budget // 2)
        else:
            yield batch, pool
            return
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            yield from self._read(texts, tokenized, half)

    def _pool(self, batch: Batch, texts: list[Text], tokenized: list[Tokens]) -> Averages | Last:
        if self.options.pooling == "last":
            return Last(batch)
        listeners: list[Listener] = []
        if _of_tokens(self.options.keep):
            scatter, languages = self.sums.statistics.scatter, [text.language for text in texts]
            listeners.append(Within(scatter, self.layers, languages, self.stream.device))
        if self.sums.matcher is not None:
            listeners.append(self.sums.matcher.batch(texts, tokenized, self.stream.device))
        return Averages(batch, self.options.massive, listeners)

    def _check(self, latents: Tensor, texts: Sequence[Text]) -> None:
        """Require that the means [n, layers, d] are finite."""
        broken = (~latents.isfinite()).any(-1).nonzero()
        if len(broken):
            row, layer = broken[0].tolist()
            raise LatentError(
                f"latents are not finite at layer {self.layers[layer]} in the text "
                f"{texts[row].text[:60]!r} ({texts[row].language}); run the model in float32 or "
                "bfloat16, or check its weights"
            )


def _wide(device: torch.device) -> torch.device:
    """Where statistics are added up: the device itself, if it has float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _chunk_size(layers: int, stream: ResidualStream, texts: int) -> int:
    """Texts in a chunk; no more than the `texts` that each part of a corpus has to read."""
    most = _CHUNK_BYTES.get(stream.device.type, _CHUNK_BYTES["cpu"])
    return max(1, min(max(16, min(_CHUNK_TEXTS, most // (layers * stream.width * 4))), texts))


def _chunks(texts: Iterable[Text], size: int, seed: int | None = None) -> Iterator[Tensor]:
    """The places of all texts, in chunks of about `size` that hold whole concepts.

    Concepts come in the order in which they begin, or shuffled by the seed.
    """
    groups: dict[str, int] = {}
    numbers, count = array("q"), 0
    for text in texts:
        number = count if text.concept is None else groups.setdefault(text.concept, count)
        numbers.append(number)
        count += number == count
    grouped = torch.tensor(numbers)
    if seed is not None:
        grouped = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[grouped]
    order = grouped.argsort(stable=True)
    begin = end = 0
    for members in torch.bincount(grouped).tolist():
        if end > begin and end - begin + members > size:
            yield order[begin:end]
            begin = end
        end += members
    yield order[begin:]
