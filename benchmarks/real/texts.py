"""Parallel news, split by document: what is trained on, tuned on and tested on.

A folder as that of NTREX-128 (Federmann, Kocmi and Xin, 2022): one file for each language, aligned
by line, and `DOCUMENT_IDS.tsv` with the document of each line. The texts are not part of langsteer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from langsteer.data.corpus import Corpus, Text

LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "pt", "tr", "vi")
PAIRS = tuple((one, other) for one in LANGUAGES for other in LANGUAGES if one != other)
SHARES = {"train": (0.0, 0.6), "dev": (0.6, 0.7), "test": (0.7, 1.0)}
"""Of the documents, in their order."""


@dataclass(frozen=True, eq=False)
class Passage:
    """Two texts of one document that follow each other, in all languages."""

    document: str
    row: int
    text: dict[str, str]
    following: dict[str, str]


@dataclass(frozen=True, eq=False)
class Item:
    """A passage to be continued in another language, and a passage of another document."""

    source: str
    target: str
    passage: Passage
    other: Passage


@dataclass(frozen=True)
class News:
    """The rows of the texts with their documents; `parts` are the rows of each split."""

    texts: dict[str, list[str]]
    documents: list[str]
    parts: dict[str, list[int]]

    @classmethod
    def read(cls, folder: Path) -> News:
        """The folder's texts in the languages of the benchmark."""
        texts = {
            language: [
                line.strip()
                for line in (folder / f"{language}.txt").read_text(encoding="utf-8").splitlines()
            ]
            for language in LANGUAGES
        }
        names = (folder / "DOCUMENT_IDS.tsv").read_text(encoding="utf-8").splitlines()
        count = len(texts["en"])
        documents = [name.split("\t")[0].strip() for name in names[len(names) - count :]]
        order = list(dict.fromkeys(documents))
        place = {document: number / len(order) for number, document in enumerate(order)}
        parts = {
            split: [row for row in range(count) if low <= place[documents[row]] < high]
            for split, (low, high) in SHARES.items()
        }
        return cls(texts, documents, parts)

    def corpus(self, split: str, limit: int | None = None) -> Corpus:
        """The texts of a split, aligned, those of each document in order."""
        rows = self.parts[split][:limit]
        return Corpus(
            tuple(
                Text(self.texts[language][row], language, str(row))
                for row in rows
                for language in LANGUAGES
            ),
            f"news-{split}",
        )

    def passages(self, split: str) -> list[Passage]:
        """All that are followed by another text of their document."""
        return [
            Passage(
                self.documents[row],
                row,
                {one: self.texts[one][row] for one in LANGUAGES},
                {one: self.texts[one][row + 1] for one in LANGUAGES},
            )
            for row in self.parts[split]
            if row + 1 < len(self.documents) and self.documents[row] == self.documents[row + 1]
        ]

    def items(
        self, split: str, count: int, pairs: Sequence[tuple[str, str]] = PAIRS, seed: int = 0
    ) -> list[Item]:
        """So many items, the pairs in turn, each passage as seldom as possible."""
        rng = random.Random(seed)
        passages = self.passages(split)
        rng.shuffle(passages)
        found = []
        for number in range(count):
            source, target = pairs[number % len(pairs)]
            mine = passages[number % len(passages)]
            others = [one for one in passages if one.document != mine.document]
            found.append(Item(source, target, mine, rng.choice(others)))
        return found
