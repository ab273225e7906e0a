"""Texts with a language and, where they are parallel, a concept.

:mod:`langsteer.data.corpus_layouts` reads them from the usual layouts.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from langsteer.data.chosen import Chosen
from langsteer.data.files import write_whole
from langsteer.data.problems import shown
from langsteer.errors import CorpusError
from langsteer.text.tags import choose, normalise

CONCEPT = "concept"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table, or keys of a JSON object, hold what."""

    text: str = "text"
    language: str = "language"
    """The column with the BCP-47 tag."""
    concept: str = CONCEPT
    """The column with what parallel texts share, be it a string or a number. The default may be
    absent; any other must exist.
    """


@dataclass(frozen=True, slots=True)
class Text:
    """One text. The language is normalised (``PT-br`` becomes ``pt-BR``).

    Raises:
        CorpusError: the text is empty or not valid Unicode.
        LanguageError: the language is not a BCP-47 tag.
    """

    text: str
    language: str
    concept: str | None = None
    """What parallel texts share; ``None`` for a text that has no counterpart."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise CorpusError(f"the text is empty: {self.text!r}. Write a text or remove the row.")
        if any("\ud800" <= letter <= "\udfff" for letter in self.text):
            raise CorpusError(
                f"the text has half a surrogate pair: {shown(self.text)}. Write whole characters."
            )
        object.__setattr__(self, "language", normalise(self.language))


@dataclass(frozen=True)
class Corpus:
    """Texts in order, under a name.

    Raises:
        CorpusError: there are no texts.
    """

    texts: Sequence[Text]
    """A tuple, or texts that stay in their file, see `texts_on_disk`."""
    name: str

    def __post_init__(self) -> None:
        if not self.texts:
            raise CorpusError(f"the corpus {self.name!r} has no texts. Give at least one.")

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        split: str | None = None,
        columns: Columns = Columns(),
    ) -> Corpus:
        """Read a corpus of any known layout.

        - ``jsonl``, ``json``, ``csv``, ``tsv``: one text per row, columns (keys) as named; also
          packed, as ``texts.jsonl.gz``.
        - ``parquet``: the same; needs the package ``pyarrow``.
        - ``folder``: one text file per language, named by its tag (``de.txt``, ``eng_Latn.dev``);
          lines with the same number are one concept. A split is a folder in it, as in FLORES.
        - ``datasets``: a Hugging Face data set ``owner/name`` or ``owner/name:configuration``, with
          columns as for a table; needs the package ``datasets``.
        - Others are in :mod:`langsteer.data.corpus_layouts`.

        Args:
            path: A file, a folder, or the name of a data set.
            format: One of the above; by default what the path looks like.
            split: The part of a folder or of a data set.
            columns: Where in a row to find what.

        Raises:
            CorpusError: it cannot be found or read, or has rows that cannot be used; the message
                names file and line of the first five and counts them all, up to 1,000.
        """
        # The layouts make corpora, so they import this module.
        from langsteer.data.corpus_layouts import read_layout  # noqa: PLC0415

        return read_layout(os.fspath(path), format, split, columns)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Language → number of texts, sorted by language."""
        return dict(sorted(Counter(text.language for text in self.texts).items()))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, sorted."""
        return tuple(self.counts)

    @cached_property
    def aligned(self) -> bool:
        """Whether any concept has texts in two or more languages."""
        languages: dict[str, set[str]] = defaultdict(set)
        for text in self.texts:
            if text.concept is not None:
                languages[text.concept].add(text.language)
        return any(len(members) > 1 for members in languages.values())

    @cached_property
    def repeated(self) -> tuple[bool, ...]:
        """For each text whether it is a copy of an earlier one in the same language.

        Copies may differ in white space and in how letters with marks are composed (NFC, NFD).
        """
        # Hashes side by side, as they take less memory than the texts of a large corpus.
        said = array("Q", map(_meaning, self.texts))
        copies = [False] * len(said)
        for one, other in pairwise(sorted(range(len(said)), key=said.__getitem__)):
            copies[other] = said[one] == said[other]
        return tuple(copies)

    def duplicates(self) -> dict[str, int]:
        """Language → how many of its texts are copies of an earlier one; only where there are any.

        Copies are no new evidence, so whoever estimates an error must not count them.
        """
        copies = zip(self.texts, self.repeated, strict=True)
        return dict(sorted(Counter(text.language for text, copy in copies if copy).items()))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the rows in their order, without the name of the corpus.

        The same texts in another order have another digest.
        """
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(row_of(text).encode())
        return digest.hexdigest()

    def select(self, languages: Sequence[str]) -> Corpus:
        """The texts in these languages, in the same order.

        Raises:
            LanguageError: the corpus has no text in one of them; the message suggests the nearest.
        """
        wanted = {choose(language, self.languages) for language in languages}
        return self.chosen(
            place for place, text in enumerate(self.texts) if text.language in wanted
        )

    def chosen(self, places: Iterable[int]) -> Corpus:
        """The texts at these places, which ascend."""
        if isinstance(self.texts, tuple):
            return Corpus(tuple(self.texts[place] for place in places), self.name)
        return Corpus(Chosen(self.texts, array("Q", places)), self.name)

    def limit(self, number: int | None, quotas: Mapping[str, int] | None = None) -> Corpus:
        """The first `number` texts of each language, in the same order; all if None.

        `quotas` say another number for some languages, by their tags; 0 leaves one out.

        Raises:
            LanguageError: a language with a quota is not in the corpus.
        """
        most = {choose(tag, self.languages): quota for tag, quota in (quotas or {}).items()}
        seen: Counter[str] = Counter()
        kept = []
        for place, text in enumerate(self.texts):
            seen[text.language] += 1
            allowed = most.get(text.language, number)
            if allowed is None or seen[text.language] <= allowed:
                kept.append(place)
        return self.chosen(kept)

    def require_languages(self, minimum: int = 2) -> None:
        """Check that there are enough languages.

        Raises:
            CorpusError: there are fewer than ``minimum``.
        """
        if len(self.languages) < minimum:
            raise CorpusError(
                f"the corpus {self.name!r} has texts in {len(self.languages)} language(s) "
                f"({', '.join(self.languages)}), and {minimum} are needed. Add texts in another "
                "language, or check which column holds the language."
            )

    def write_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write one JSON object per line; the file appears whole or not at all."""
        rows = "".join(row_of(text) for text in self.texts)
        write_whole(Path(path), rows.encode(), CorpusError)


def _meaning(text: Text) -> int:
    """A number that texts of a language share if they differ in white space and marks alone."""
    said = " ".join(unicodedata.normalize("NFC", text.text).split())
    digest = hashlib.blake2b(f"{text.language} {said}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def row_of(text: Text) -> str:
    """The line of JSON that stands for a text."""
    row = {"text": text.text, "language": text.language}
    if text.concept is not None:
        row[CONCEPT] = text.concept
    return json.dumps(row, ensure_ascii=False) + "\n"


def read_corpus(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    text_column: str = "text",
    language_column: str = "language",
    concept_column: str = CONCEPT,
    split: str | None = None,
) -> Corpus:
    """The same as :meth:`Corpus.read`, with the columns one by one.

    Raises:
        CorpusError: as there.
    """
    columns = Columns(text_column, language_column, concept_column)
    return Corpus.read(path, format=format, split=split, columns=columns)
