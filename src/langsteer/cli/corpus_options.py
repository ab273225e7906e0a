"""How a corpus is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from langsteer.data.corpus import Corpus


@dataclass(frozen=True)
class CorpusColumns:
    """Where in a corpus to find what, and how much of it to use."""

    text_column: Annotated[str, typer.Option(metavar="NAME", help="Column or key of the text.")] = (
        "text"
    )
    language_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column or key of the language tag.")
    ] = "language"
    concept_column: Annotated[
        str,
        typer.Option(metavar="NAME", help="Column or key that all translations of one text share."),
    ] = "concept"
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Split of a Hugging Face data set.")
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use at most this many texts of each language.")
    ] = None

    quota: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG=N",
            help="Use at most this many texts of this language, instead of what --limit says. Can "
            "be repeated; 0 leaves it out.",
        ),
    ] = None

    def read(self, path: str) -> Corpus:
        """The corpus at a path.

        Raises:
            CorpusError: it cannot be found or read.
            LanguageError: a language with a quota is not there.
        """
        from langsteer.data.corpus import read_corpus

        found = read_corpus(
            path,
            text_column=self.text_column,
            language_column=self.language_column,
            concept_column=self.concept_column,
            split=self.split,
        )
        if self.limit is None and not self.quota:
            return found
        return found.limit(self.limit, dict(map(_quota, self.quota or ())))


def _quota(given: str) -> tuple[str, int]:
    tag, _, number = given.rpartition("=")
    if not tag or not number.isdecimal():
        raise typer.BadParameter(f"{given!r} is not of the form TAG=N, such as ja=500.")
    return tag, int(number)
