"""Texts as rows of tokens, and rows of like length as batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from langsteer.data.corpus import Text
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import CorpusError
from langsteer.fitting.reading import Reading
from langsteer.fitting.turns import Template
from langsteer.statistics.devices import sent


@dataclass(frozen=True, slots=True)
class Tokens:
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


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Makes tokens of texts, each in its turn of a conversation if there is a `template`."""

    tokenizer: PreTrainedTokenizerBase
    limit: int
    template: Template | None
    last: bool

    @classmethod
    def of(cls, model: Model, options: Reading) -> Tokenizer:
        """That of a model."""
        limit = _limit(model.stream, options.max_length)
        template = options.template(model.tokenizer)
        return cls(model.tokenizer, limit, template, options.pooling == "last")

    def __call__(self, texts: Sequence[Text]) -> list[Tokens]:
        """The tokens of texts; `CorpusError` for one that has none."""
        rows = self._plain(texts) if self.template is None else self._turns(texts, self.template)
        for text, row in zip(texts, rows, strict=True):
            if not any(row.content):
                raise CorpusError(
                    f"the text {text.text[:60]!r} ({text.language}, concept {text.concept}) "
                    "has no tokens; remove it from the corpus"
                )
        return rows

    def _plain(self, texts: Sequence[Text]) -> list[Tokens]:
        special = set(self.tokenizer.all_special_ids)
        # Long texts are cut here, so the warning that the tokenizer would give is beside the point.
        encoded = self.tokenizer(
            [text.text for text in texts], padding=False, truncation=False, verbose=False
        )
        return [
            Tokens(kept, [token not in special for token in kept], len(ids) - len(kept))
            for ids in encoded["input_ids"]
            for kept in [ids[: self.limit]]
        ]

    def _turns(self, texts: Sequence[Text], template: Template) -> list[Tokens]:
        rows = []
        for text in texts:
            whole = template.place(text.text)
            placed = whole.cut(self.limit)
            own = range(placed.begin, placed.end)
            if self.last and template.turn == "user":
                # The answer is decided at the last token of the template.
                own = range(len(placed.ids) - 1, len(placed.ids))
            content = [place in own for place in range(len(placed.ids))]
            rows.append(Tokens(placed.ids, content, len(whole.ids) - len(placed.ids)))
        return rows


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right, on the device of the model.

    `rows` are their numbers among the texts, on the CPU, and `at [rows]` on the device; `ids`,
    `mask` and `content` `[rows, columns]`; `places [n]` where content stands in the flattened rows.
    """

    rows: list[int]
    at: Tensor
    ids: Tensor
    mask: Tensor
    content: Tensor
    places: Tensor

    @classmethod
    def of(cls, texts: Sequence[Tokens], rows: Sequence[int], device: torch.device) -> Batch:
        """These rows of the texts."""
        width = max(len(texts[row].ids) for row in rows)

        def padded(values: Sequence[int]) -> list[int]:
            return [*values, *[0] * (width - len(values))]

        ids = torch.tensor([padded(texts[row].ids) for row in rows])
        content = torch.tensor([padded(texts[row].content) for row in rows], dtype=torch.bool)
        lengths = torch.tensor([len(texts[row].ids) for row in rows])
        mask = (torch.arange(width) < lengths[:, None]).long()
        return cls(
            list(rows),
            sent(torch.tensor(rows), device),
            sent(ids, device),
            sent(mask, device),
            sent(content, device),
            sent(content.flatten().nonzero()[:, 0], device),
        )


def in_batches(texts: Sequence[Tokens], budget: int) -> Iterator[list[int]]:
    """Rows of like length together, the longest first, within a budget of tokens."""
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row].ids))
    while order:
        size = max(1, budget // len(texts[order[0]].ids))
        yield order[:size]
        order = order[size:]


def _limit(stream: ResidualStream, max_length: int | None) -> int:
    return min(length for length in (max_length, stream.context, 10**9) if length)
