"""The texts of one way of fitting, on the one model, and what is read from them once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.encoding import pad_left
from langsteer.engines.transformers.model import Model
from langsteer.estimators.registry import keep_for
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import Space
from langsteer.statistics.pooling import Pooling

LAYERS = (3, 4, 2, 5)
"""Candidate layers, 0 to 7: 38 to 75 % of the depth, the middle first."""
ROWS = 128


class Fitted:
    """A corpus on a model. What is read is kept, so that no method pays for it twice."""

    def __init__(self, loaded: Model, corpus: Corpus) -> None:
        self.loaded = loaded
        self.corpus = corpus
        self.languages = corpus.languages
        self._spaces: dict[str, Space] = {}

    def space(self, pooling: str, estimators: Sequence[str]) -> Space:
        """What langsteer fits, at ``LAYERS``, with what the estimators need."""
        if pooling not in self._spaces:
            self._spaces[pooling] = fit(
                self.loaded,
                self.corpus,
                Reading(
                    pooling=cast(Pooling, pooling),
                    layers=sorted(LAYERS),
                    keep=keep_for(estimators, layers=tuple(sorted(LAYERS))),
                ),
            )
        return self._spaces[pooling]

    def rows(self, language: str) -> Tensor:
        """The rows of the texts in a language."""
        texts = self.corpus.texts
        return torch.tensor([row for row, text in enumerate(texts) if text.language == language])

    def batches(self, layers: Sequence[int]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Rows ``[n]``, latents ``[n, columns, layers, d]`` and which are tokens of the text
        ``[n, columns]``: neither padding nor the first, which is special.
        """
        stream, tokenizer = self.loaded.stream, self.loaded.tokenizer
        ids = [tokenizer(text.text)["input_ids"] for text in self.corpus.texts]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            batch = pad_left([ids[row] for row in rows], 0, stream.device)
            mask = batch["attention_mask"]
            latents = torch.stack(stream.read(batch["input_ids"], mask, layers), dim=2)
            yield torch.tensor(rows), latents, (mask.cumsum(1) > 1)

    @cached_property
    def pooled(self) -> tuple[Tensor, Tensor, Tensor]:
        """The mean and the last latent of every text, ``[texts, layers, d]`` each, and its number
        of tokens ``[texts]``.
        """
        layers, width = range(self.loaded.stream.depth), self.loaded.stream.width
        means = torch.zeros(len(self.corpus), len(layers), width)
        last, counts = torch.zeros_like(means), torch.zeros(len(self.corpus))
        for rows, latents, content in self.batches(layers):
            weight = content.float()
            means[rows] = (
                torch.einsum("nc,ncld->nld", weight, latents) / weight.sum(1)[:, None, None]
            )
            last[rows], counts[rows] = latents[:, -1], weight.sum(1)
        return means, last, counts

    @cached_property
    def norms(self) -> Tensor:
        """``[layers]``: the mean norm of a latent."""
        layers = range(self.loaded.stream.depth)
        found = [latents.norm(dim=-1)[content] for _, latents, content in self.batches(layers)]
        return torch.cat(found).mean(0)

    def token_means(self) -> dict[str, Tensor]:
        """Language → ``[layers, d]``: the mean of all its tokens."""
        means, _, counts = self.pooled
        return {
            language: (means[rows] * counts[rows, None, None]).sum(0) / counts[rows].sum()
            for language in self.languages
            for rows in [self.rows(language)]
        }

    def text_means(self) -> dict[str, Tensor]:
        """Language → ``[layers, d]``: the mean of the means of its texts."""
        return {one: self.pooled[0][self.rows(one)].mean(0) for one in self.languages}

    def last_means(self) -> dict[str, Tensor]:
        """Language → ``[layers, d]``: the mean of the last tokens of its texts."""
        return {one: self.pooled[1][self.rows(one)].mean(0) for one in self.languages}
