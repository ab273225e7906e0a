"""A corpus and a model become statistics: one pass, all layers, nothing kept but sums."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import CorpusError, LatentError, SpaceError
from langsteer.fitting.reading import Reading
from langsteer.fitting.turns import Template
from langsteer.progress import Advance, bar
from langsteer.statistics import Keep, Matching, Statistics, TokenTable
from langsteer.statistics.jackknife import fold_of
from langsteer.statistics.pooling import OF_TOKENS
from langsteer.statistics.scatter import GIBIBYTE, POOLED, Scatter

NOTABLE = GIBIBYTE
"""Bytes of memory for statistics above which the figure is printed."""
_CHUNK_TEXTS = 512
_CHUNK_BYTES = 64 * 1024**2


def collect(
    model: Model,
    corpus: Corpus,
    options: Reading | None = None,
    *,
    table: TokenTable | None = None,
    alone: bool = False,
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
        progress: show a bar with rate and time left on standard error.

    Raises:
        CorpusError: the corpus has one language only (neither `alone` nor with a table of more),
            a text has no tokens, or languages share no token (`matched`).
        SpaceError: `keep` needs more memory than its limit, or asks for second moments of tokens
            where texts and not tokens are pooled.
        LatentError: a latent is not finite; the message names the layer and the text.
        ModelError: a layer is outside the model.
    """
    options = options or Reading()
    if len(corpus.languages) < 2 and table is None and not alone:
        raise CorpusError(
            f"the corpus {corpus.name!r} has one language only, {corpus.languages[0]}; "
            "give texts in at least two"
        )
    duplicates, corpus = corpus.duplicates(), _distinct(corpus)
    stream, pooling, keep = model.stream, options.pooling, options.keep
    every = range(stream.depth) if options.layers is None else options.layers
    chosen = [stream.check_layer(layer) for layer in every]
    tokenizer = _Tokenizer.of(model, options)
    _announce(keep or Keep(), chosen, stream.width, len(corpus.languages), pooling)
    languages, matcher = corpus.languages, None
    if pooling == "matched":
        table = table or token_table(model, corpus, options)
        table.require_connected()
        languages = _known(table, corpus)
        matcher = _Matcher.of_table(table, chosen, stream.width)
    statistics = Statistics.empty(chosen, stream.width, languages, pooling=pooling, keep=keep)
    with bar("collecting", len(corpus.texts), quiet=not progress) as advance:
        collector = _Collector(
            stream,
            chosen,
            options,
            Counter(),
            advance,
            _Within(statistics.scatter, chosen) if _of_tokens(keep) else None,
            matcher,
        )
        for chunk in _chunks(corpus.texts, _chunk_size(len(chosen), stream.width)):
            tokenized = tokenizer(chunk)
            means, weights = collector.run(chunk, tokenized)
            statistics.update(
                means,
                weights,
                [text.language for text in chunk],
                [text.concept for text in chunk],
                tokens=[sum(row.content) for row in tokenized],
            )
            collector.dropped["long"] += sum(row.cut for row in tokenized)
    statistics.dropped = {**{"special": 0, "massive": 0, "long": 0}, **collector.dropped}
    statistics.duplicates = duplicates
    if matcher is not None:
        statistics.match(matcher.matching)
    return statistics


def token_table(model: Model, corpus: Corpus, options: Reading | None = None) -> TokenTable:
    """How often each token occurs in each language, for pooling `matched`; the model is not run.

    The arguments are those of `collect`. Raises `CorpusError` when a text has no tokens.
    """
    tokenizer, corpus = _Tokenizer.of(model, options or Reading()), _distinct(corpus)
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
    pairs = zip(corpus.texts, corpus.repeated, strict=True)
    return Corpus(tuple(text for text, copy in pairs if not copy), corpus.name)


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


@dataclass(frozen=True, slots=True)
class _Tokens:
    """One text: its token ids, which of them are content, and how many were cut off."""

    ids: list[int]
    content: list[bool]
    cut: int

    @property
    def compared(self) -> list[int]:
        """Where the tokens stand that languages are compared at: all content but the first.

        The first token has nothing before it, so its latent is the same in all languages.
        """
        return [place for place, content in enumerate(self.content) if content][1:]


@dataclass
class _Batch:
    """Rows padded on the right: `ids`, `mask` and `content` [rows, columns]."""

    rows: list[int]
    ids: Tensor
    mask: Tensor
    content: Tensor


@dataclass
class _Collector:
    """Runs chunks of texts and averages the latents within each text."""

    stream: ResidualStream
    layers: list[int]
    options: Reading
    dropped: Counter[str]
    advance: Advance
    within: _Within | None
    matcher: _Matcher | None

    def run(self, texts: Sequence[Text], tokenized: Sequence[_Tokens]) -> tuple[Tensor, Tensor]:
        """The mean latents [n, layers, d] (float32) and the weights [n] of the texts."""
        means = torch.empty(len(texts), len(self.layers), self.stream.width)
        weights = torch.ones(len(texts))
        for batch in _batches(tokenized, self.options.tokens_per_batch, self.stream.device):
            chosen = [texts[row] for row in batch.rows]
            pool = self._pool(batch, chosen, [tokenized[row] for row in batch.rows])
            self.stream.visit(batch.ids, batch.mask, self.layers, pool.read)
            latents = torch.stack([pool.means[layer].cpu() for layer in self.layers], dim=1)
            self._check(latents, chosen)
            means[batch.rows] = latents
            massive = pool.massive.cpu()
            if self.options.pooling in OF_TOKENS:
                kept = batch.content.sum(1).cpu() - massive
                weights[batch.rows] = kept.clamp(min=1).float()
            self.dropped["massive"] += int(massive.sum())
            left_out = "special" if self.options.chat is None else "template"
            self.dropped[left_out] += int(batch.mask.sum() - batch.content.sum())
            self.advance(len(batch.rows))
        return means, weights

    def _pool(
        self, batch: _Batch, texts: list[Text], tokenized: list[_Tokens]
    ) -> _Averages | _Last:
        if self.options.pooling == "last":
            return _Last(batch.content)
        listeners: list[Listener] = []
        if self.within is not None:
            listeners.append(self.within.of([text.language for text in texts]))
        if self.matcher is not None:
            listeners.append(self.matcher.of(texts, tokenized))
        return _Averages(batch.content, self.options.massive, listeners)

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


@dataclass(frozen=True, slots=True)
class _Read:
    """The latents of a batch at one layer: `latents [rows, columns, d]`; which tokens were `kept`
    in the averages; their `means [rows, d]`; the `median` norm."""

    layer: int
    latents: Tensor
    kept: Tensor
    means: Tensor
    median: Tensor


Listener = Callable[[_Read], None]


class _Averages:
    """Averages the content tokens of each row, but for those with massive norms.

    Per layer: one pass for the norms, one batched product for the sums. Listeners are told.
    """

    def __init__(self, content: Tensor, massive: float, listeners: Sequence[Listener]) -> None:
        self.means: dict[int, Tensor] = {}
        self._content, self._factor, self._listeners = content, massive, listeners
        self._where = content.flatten().nonzero().squeeze(1)
        self._massive = torch.zeros_like(content)

    @property
    def massive(self) -> Tensor:
        """How many tokens of each row [rows] were massive at one layer or more."""
        return self._massive.sum(1)

    def read(self, layer: int, hidden: Tensor) -> None:
        """Take the latents [rows, columns, d] of a layer."""
        latents, content = hidden.float(), self._content.to(hidden.device)
        norms = torch.linalg.vector_norm(latents, dim=-1)
        median = norms.flatten()[self._where.to(hidden.device)].median()
        usual = content & (norms <= self._factor * median)
        counts = usual.sum(1, keepdim=True)
        kept = torch.where(counts > 0, usual, content)
        total = torch.bmm(kept[:, None].float(), latents)[:, 0]
        self.means[layer] = total / kept.sum(1, keepdim=True)
        self._massive |= (content & ~kept).to(self._massive.device)
        for listen in self._listeners:
            listen(_Read(layer, latents, kept, self.means[layer], median))


@dataclass(frozen=True, slots=True)
class _Within:
    """Adds the scatter of tokens about the mean of their text, for second moments of tokens."""

    scatter: Scatter
    layers: list[int]

    def of(self, languages: list[str]) -> Listener:
        """What listens to a batch with rows in `languages`."""
        rows: dict[str, list[int]] = {}
        for row, language in enumerate(languages):
            rows.setdefault(POOLED if self.scatter.mode == "pooled" else language, []).append(row)

        def listen(read: _Read) -> None:
            position = self.layers.index(read.layer)
            if position not in self.scatter.at:
                return
            centred = (read.latents - read.means[:, None]) * read.kept[..., None]
            for key, chosen in rows.items():
                part = centred[chosen].flatten(0, 1)
                self.scatter.add_within(key, position, part.T @ part)

        return listen


@dataclass(frozen=True, slots=True)
class _Matcher:
    """Adds up what the two-way model of tokens needs, see `Matching`.

    Massive latents are brought to the usual norm. To leave them out would not do: the equations
    hold for the tokens that were counted.
    """

    table: TokenTable
    layers: list[int]
    matching: Matching

    @classmethod
    def of_table(cls, table: TokenTable, layers: list[int], width: int) -> _Matcher:
        """A matcher that has seen no token."""
        tokens = table.groups()[1]
        return cls(table, layers, Matching.empty(table.languages, tokens, len(layers), width))

    def of(self, texts: list[Text], tokenized: list[_Tokens]) -> Listener:
        """What listens to a batch of these texts."""
        places = [(row, at) for row, text in enumerate(tokenized) for at in text.compared]
        rows, columns = torch.tensor(places, dtype=torch.int64).reshape(-1, 2).T
        ids = torch.tensor([tokenized[row].ids[at] for row, at in places], dtype=torch.int64)
        number = [self.table.languages.index(text.language) for text in texts]
        language = torch.tensor(number)[rows]
        contrasts, groups = self.table.contrasts(ids, language)
        some = (contrasts != 0).any(1)
        rows, columns, contrasts, groups = rows[some], columns[some], contrasts[some], groups[some]
        self.matching.count(contrasts, groups, language[some])
        folds = torch.tensor([fold_of(text.concept, text.text) for text in texts])[rows]
        without = self.table.contrasts_without(ids[some], language[some], folds)
        if without is not None:
            self.matching.jackknife.count(without, groups, folds)

        def listen(read: _Read) -> None:
            latents = read.latents[rows, columns]
            norms = torch.linalg.vector_norm(latents, dim=-1, keepdim=True)
            usual = read.kept[rows, columns][:, None]
            latents = torch.where(usual, latents, latents * (read.median / norms))
            layer = self.layers.index(read.layer)
            wide = (latents if latents.device.type != "mps" else latents.cpu()).double()
            self.matching.add(layer, contrasts, groups, wide)
            if without is not None:
                self.matching.jackknife.add(layer, without, groups, wide)

        return listen


class _Last:
    """Takes the last content token of each row."""

    def __init__(self, content: Tensor) -> None:
        self.means: dict[int, Tensor] = {}
        self.massive = torch.zeros(len(content), dtype=torch.long)
        columns = torch.arange(content.shape[1], device=content.device)
        self._last = (content * columns).argmax(1)

    def read(self, layer: int, hidden: Tensor) -> None:
        """Take the latents [rows, columns, d] of a layer."""
        rows = torch.arange(len(hidden), device=hidden.device)
        self.means[layer] = hidden[rows, self._last.to(hidden.device)].float()


def _limit(stream: ResidualStream, max_length: int | None) -> int:
    return min(length for length in (max_length, stream.context, 10**9) if length)


def _chunk_size(layers: int, width: int) -> int:
    return max(16, min(_CHUNK_TEXTS, _CHUNK_BYTES // (layers * width * 4)))


def _chunks(texts: Sequence[Text], size: int) -> Iterator[list[Text]]:
    """All texts, in chunks of about `size` that hold all texts of every concept in them."""
    groups: dict[object, list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault(index if text.concept is None else text.concept, []).append(index)
    chunk: list[Text] = []
    for group in groups.values():
        if chunk and len(chunk) + len(group) > size:
            yield chunk
            chunk = []
        chunk.extend(texts[index] for index in group)
    yield chunk


@dataclass(frozen=True, slots=True)
class _Tokenizer:
    """Makes tokens of texts, each in its turn of a conversation if there is a `template`."""

    tokenizer: PreTrainedTokenizerBase
    limit: int
    template: Template | None
    last: bool

    @classmethod
    def of(cls, model: Model, options: Reading) -> _Tokenizer:
        """That of a model."""
        limit = _limit(model.stream, options.max_length)
        template = options.template(model.tokenizer)
        return cls(model.tokenizer, limit, template, options.pooling == "last")

    def __call__(self, texts: Sequence[Text]) -> list[_Tokens]:
        """The tokens of texts; `CorpusError` for one that has none."""
        rows = self._plain(texts) if self.template is None else self._turns(texts, self.template)
        for text, row in zip(texts, rows, strict=True):
            if not any(row.content):
                raise CorpusError(
                    f"the text {text.text[:60]!r} ({text.language}, concept {text.concept}) "
                    "has no tokens; remove it from the corpus"
                )
        return rows

    def _plain(self, texts: Sequence[Text]) -> list[_Tokens]:
        special = set(self.tokenizer.all_special_ids)
        # Long texts are cut here, so the warning that the tokenizer would give is beside the point.
        encoded = self.tokenizer(
            [text.text for text in texts], padding=False, truncation=False, verbose=False
        )
        return [
            _Tokens(kept, [token not in special for token in kept], len(ids) - len(kept))
            for ids in encoded["input_ids"]
            for kept in [ids[: self.limit]]
        ]

    def _turns(self, texts: Sequence[Text], template: Template) -> list[_Tokens]:
        rows = []
        for text in texts:
            whole = template.place(text.text)
            placed = whole.cut(self.limit)
            own = range(placed.begin, placed.end)
            if self.last and template.turn == "user":
                # The answer is decided at the last token of the template.
                own = range(len(placed.ids) - 1, len(placed.ids))
            content = [place in own for place in range(len(placed.ids))]
            rows.append(_Tokens(placed.ids, content, len(whole.ids) - len(placed.ids)))
        return rows


def _batches(texts: Sequence[_Tokens], budget: int, device: torch.device) -> Iterator[_Batch]:
    """Rows of similar length, the longest first, within the budget of tokens."""
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row].ids))
    while order:
        width = len(texts[order[0]].ids)
        size = max(1, budget // width)
        rows, order = order[:size], order[size:]
        yield _batch(texts, rows, width, device)


def _batch(texts: Sequence[_Tokens], rows: list[int], width: int, device: torch.device) -> _Batch:
    def padded(values: Sequence[int]) -> list[int]:
        return [*values, *[0] * (width - len(values))]

    ids = torch.tensor([padded(texts[row].ids) for row in rows])
    content = torch.tensor([padded(texts[row].content) for row in rows], dtype=torch.bool)
    lengths = torch.tensor([len(texts[row].ids) for row in rows])
    mask = (torch.arange(width) < lengths[:, None]).long()
    return _Batch(rows, ids.to(device), mask.to(device), content.to(device))
