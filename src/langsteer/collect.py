"""A corpus and a model become statistics: one pass, all layers, nothing kept but sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from langsteer.corpus import Corpus, Text
from langsteer.errors import CorpusError, LatentError
from langsteer.progress import Advance, bar
from langsteer.residual import ResidualStream
from langsteer.statistics import Keep, Statistics

Pooling = Literal["tokens", "text", "last"]
MASSIVE = 10.0
_CHUNK_TEXTS = 512
_CHUNK_BYTES = 64 * 1024**2


def collect(
    stream: ResidualStream,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    *,
    layers: Sequence[int] | None = None,
    pooling: Pooling = "tokens",
    tokens_per_batch: int = 4096,
    max_length: int | None = None,
    massive: float = MASSIVE,
    keep: Keep | None = None,
    progress: bool = False,
) -> Statistics:
    """Run a corpus through the decoder once and fold the latents of every layer into statistics.

    Only the decoder runs, up to the last wanted layer. Memory does not depend on the number of
    texts: latents are averaged within each text as they come, and texts are folded in by chunks
    that hold whole concepts. What is left out is counted in `Statistics.dropped`: `special` tokens
    (such as a leading beginning-of-sequence token), tokens with `massive` norms (at the layer where
    they have it; a text that has no others keeps them), and tokens beyond the context (`long`).

    Args:
        stream: the model's residual stream.
        tokenizer: its tokenizer; it is not changed.
        corpus: texts in two or more languages.
        layers: block indices, 0-based; all if None.
        pooling: `tokens`: every token counts alike; `text`: every text counts alike, by the mean
            of its tokens; `last`: every text counts by its last token alone.
        tokens_per_batch: the most tokens (rows × columns) in one forward pass.
        max_length: tokens after which a text is cut; the model's context if None.
        massive: how many times the median norm of a batch at a layer makes a token massive.
        keep: what the statistics keep beyond means.
        progress: show a bar with rate and time left on standard error.

    Raises:
        CorpusError: the corpus has one language only, or a text has no tokens.
        LatentError: a latent is not finite; the message names the layer and the text.
        ModelError: a layer is outside the model.
    """
    if len(corpus.languages) < 2:
        raise CorpusError(
            f"the corpus {corpus.name!r} has one language only, {corpus.languages[0]}; "
            "give texts in at least two"
        )
    return gather(
        stream,
        tokenizer,
        corpus,
        layers=layers,
        pooling=pooling,
        tokens_per_batch=tokens_per_batch,
        max_length=max_length,
        massive=massive,
        keep=keep,
        progress=progress,
    )


def gather(
    stream: ResidualStream,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    *,
    layers: Sequence[int] | None = None,
    pooling: Pooling = "tokens",
    tokens_per_batch: int = 4096,
    max_length: int | None = None,
    massive: float = MASSIVE,
    keep: Keep | None = None,
    progress: bool = False,
) -> Statistics:
    """As `collect`, of texts that may all be in one language."""
    if pooling not in get_args(Pooling):
        raise CorpusError(f"{pooling!r} is not a pooling; choose {', '.join(get_args(Pooling))}")
    chosen = [stream.check_layer(layer) for layer in (layers or range(stream.depth))]
    statistics = Statistics.empty(
        chosen, stream.width, corpus.languages, pooling=pooling, keep=keep
    )
    limit = min(length for length in (max_length, stream.context, 10**9) if length)
    with bar("collecting", len(corpus.texts), quiet=not progress) as advance:
        collector = _Collector(
            stream, chosen, pooling, tokens_per_batch, massive, Counter(), advance
        )
        for chunk in _chunks(corpus.texts, _chunk_size(len(chosen), stream.width)):
            tokenized = _tokenize(tokenizer, chunk, limit)
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
    return statistics


@dataclass(frozen=True, slots=True)
class _Tokens:
    """One text: its token ids, which of them are content, and how many were cut off."""

    ids: list[int]
    content: list[bool]
    cut: int


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
    pooling: Pooling
    budget: int
    massive: float
    dropped: Counter[str]
    advance: Advance

    def run(self, texts: Sequence[Text], tokenized: Sequence[_Tokens]) -> tuple[Tensor, Tensor]:
        """The mean latents [n, layers, d] (float32) and the weights [n] of the texts."""
        means = torch.empty(len(texts), len(self.layers), self.stream.width)
        weights = torch.ones(len(texts))
        for batch in _batches(tokenized, self.budget, self.stream.device):
            pool = _Last(batch.content) if self.pooling == "last" else self._averages(batch)
            self.stream.visit(batch.ids, batch.mask, self.layers, pool.read)
            latents = torch.stack([pool.means[layer].cpu() for layer in self.layers], dim=1)
            self._check(latents, [texts[row] for row in batch.rows])
            means[batch.rows] = latents
            massive = pool.massive.cpu()
            if self.pooling == "tokens":
                kept = batch.content.sum(1).cpu() - massive
                weights[batch.rows] = kept.clamp(min=1).float()
            self.dropped["massive"] += int(massive.sum())
            self.dropped["special"] += int(batch.mask.sum() - batch.content.sum())
            self.advance(len(batch.rows))
        return means, weights

    def _averages(self, batch: _Batch) -> _Averages:
        return _Averages(batch.content, self.massive)

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


class _Averages:
    """Averages the content tokens of each row, but for those with massive norms.

    Per layer: one pass for the norms, one batched product for the sums.
    """

    def __init__(self, content: Tensor, massive: float) -> None:
        self.means: dict[int, Tensor] = {}
        self._content, self._factor = content, massive
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


def _tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[Text], limit: int
) -> list[_Tokens]:
    special = set(tokenizer.all_special_ids)
    # Long texts are cut here, so the warning that the tokenizer would give is beside the point.
    encoded = tokenizer(
        [text.text for text in texts], padding=False, truncation=False, verbose=False
    )
    rows = []
    for text, ids in zip(texts, encoded["input_ids"], strict=True):
        kept = ids[:limit]
        content = [token not in special for token in kept]
        if not any(content):
            raise CorpusError(
                f"the text {text.text[:60]!r} ({text.language}, concept {text.concept}) "
                "has no tokens; remove it from the corpus"
            )
        rows.append(_Tokens(kept, content, len(ids) - len(kept)))
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
