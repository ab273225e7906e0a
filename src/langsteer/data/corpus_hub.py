"""A corpus that is a Hugging Face data set, one text per row."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from langsteer.data.corpus import Corpus
from langsteer.data.corpus_layouts import CorpusLayout, CorpusSource
from langsteer.data.corpus_rows import corpus_of
from langsteer.data.fields import Row
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError


def read(source: CorpusSource) -> Corpus:
    """The corpus of all rows of a split.

    Raises:
        CorpusError: ``datasets`` is not installed, the data set cannot be loaded, or it has no such
            split.
    """
    name = source.path.as_posix()
    parts = load(name)
    chosen = next(iter(parts)) if source.split is None and len(parts) == 1 else source.split
    if chosen is None or chosen not in parts:
        what = "several splits" if chosen is None else f"no split {chosen!r}"
        raise CorpusError(f"the data set {name!r} has {what}. Choose one: {', '.join(parts)}.")
    problems = Problems(f"{name}[{chosen}]")
    rows = (
        Row(f"{problems.name}:{number}", row) for number, row in enumerate(parts[chosen], start=1)
    )
    return corpus_of(rows, source.columns, problems)


def load(name: str) -> Mapping[str, Any]:
    """The splits of a data set.

    Raises:
        CorpusError: ``datasets`` is not installed, or the data set cannot be loaded.
    """
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise CorpusError(
            f"there is no file or folder {name!r}, and to load a Hugging Face data set of that "
            "name the package 'datasets' is needed. Install it with: "
            "pip install 'langsteer[datasets]'"
        ) from error
    path, _, configuration = name.partition(":")
    try:
        parts: Mapping[str, Any] = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"the data set {name!r} cannot be loaded: {error} Check its name and the connection."
        ) from error
    return parts


LAYOUT = CorpusLayout({"datasets": ()}, read, splits=True, local=False)
