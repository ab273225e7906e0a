"""Folds of the texts: what is left out together where an error is to be known."""

from __future__ import annotations

from langsteer.statistics.sample import key_of

FOLDS = 16


def fold_of(concept: str | None, text: str) -> int:
    """The fold of a text: that of its concept, as translations do not err independently."""
    return key_of(("c" + concept if concept is not None else "t" + text).encode()) % FOLDS
