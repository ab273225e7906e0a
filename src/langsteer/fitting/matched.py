"""Latents of tokens that several languages have, for language means at the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.data.corpus import Text
from langsteer.fitting.averages import Read
from langsteer.fitting.rows import Tokens
from langsteer.statistics import Matching, TokenTable
from langsteer.statistics.contrasts import ContrastedTokens, Contrasts
from langsteer.statistics.devices import sent
from langsteer.statistics.folds import fold_of


@dataclass(frozen=True, slots=True)
class Matcher:
    """Adds up what the two-way model of tokens needs, see `Matching`."""

    contrasts: Contrasts
    layers: Sequence[int]
    matching: Matching

    @classmethod
    def of(
        cls, table: TokenTable, layers: Sequence[int], width: int, device: torch.device | None
    ) -> Matcher:
        """A matcher that has seen no token; sums of latents are kept on `device`."""
        tokens = table.groups()[1]
        matching = Matching.empty(table.languages, tokens, len(layers), width, device)
        return cls(Contrasts.of(table), layers, matching)

    def batch(
        self, texts: Sequence[Text], tokenized: Sequence[Tokens], device: torch.device
    ) -> MatchedBatch:
        """What listens to a batch of these texts."""
        compared = [row.compared for row in tokenized]
        lengths = torch.tensor([len(places) for places in compared])
        width = max(len(row.ids) for row in tokenized)
        languages = self.contrasts.table.languages
        spoken = torch.tensor([languages.index(text.language) for text in texts])
        folds = torch.tensor([fold_of(text.concept, text.text) for text in texts])
        row = torch.arange(len(texts)).repeat_interleave(lengths)
        at = torch.tensor([place for places in compared for place in places], dtype=torch.int64)
        ids = torch.tensor(
            [one.ids[at] for one, places in zip(tokenized, compared, strict=True) for at in places],
            dtype=torch.int64,
        )
        tokens = self.contrasts.tokens(ids, spoken[row], folds[row], device=device)
        places = sent((row * width + at)[tokens.rows], device)
        return MatchedBatch(self, tokens, places)


class MatchedBatch:
    """Takes the compared tokens of a batch, at `places [n]` of its flattened rows.

    Massive latents are brought to the usual norm. To leave them out would not do: the equations
    hold for the tokens that were counted.
    """

    def __init__(self, matcher: Matcher, compared: ContrastedTokens, places: Tensor) -> None:
        self._matcher, self._compared, self._places = matcher, compared, places
        self._held: list[tuple[int, Tensor, Tensor | None]] = []

    def read(self, read: Read) -> None:
        """Take a layer."""
        scale = torch.where(read.kept, torch.ones_like(read.norms), read.median / read.norms)
        places = self._places.to(read.latents.device)
        latents = read.latents.flatten(0, 1)[places] * scale.flatten()[places, None]
        layer = self._matcher.layers.index(read.layer)
        latents = latents.to(self._places.device)
        self._held.append((layer, *Matching.sums(self._compared, latents)))

    def commit(self) -> None:
        """The batch was read to its end."""
        matching = self._matcher.matching
        matching.count(self._compared)
        for layer, moment, without in self._held:
            matching.fold(layer, moment, without)
