"""Spaces of one model, read apart, become one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import reduce

from langsteer.errors import SpaceError
from langsteer.space.facts import PART, CorpusFacts
from langsteer.space.identity import differences
from langsteer.space.space import Space


def merge(spaces: Sequence[Space]) -> Space:
    """The space that one reading of all their texts would have made, to rounding.

    A text that is in two of them counts twice; see `Statistics.merge`. What was tuned, trained or
    fitted as increments belongs to one of them alone, and is not in the whole.

    Raises:
        SpaceError: there are fewer than two; or models, layers, pooling, turn of the chat template
            or what is kept differ; or matched means were saved without their equations.
    """
    if len(spaces) < 2:
        raise SpaceError("merging needs at least two spaces")
    return reduce(_both, spaces)


def _both(one: Space, other: Space) -> Space:
    if found := differences(one.model, other.model):
        raise SpaceError(f"the spaces are of different models: {'; '.join(found)}")
    if one.corpus.chat != other.corpus.chat:
        turns = [f"the {space.corpus.chat or 'text without a'} turn" for space in (one, other)]
        raise SpaceError(
            f"texts were read as {turns[0]} in one space and as {turns[1]} in the other; read both "
            "alike"
        )
    try:
        statistics = one.statistics.merge(other.statistics)
    except ValueError as error:
        raise SpaceError(f"{error} Fit both with the same estimators.") from error
    return Space(model=one.model, corpus=_facts(one.corpus, other.corpus), statistics=statistics)


def _facts(one: CorpusFacts, other: CorpusFacts) -> CorpusFacts:
    names = list(dict.fromkeys([*one.name.split(" + "), *other.name.split(" + ")]))
    return CorpusFacts(
        name=" + ".join(names),
        digest=_digest(one.digest, other.digest),
        texts={key: one.texts.get(key, 0) + other.texts.get(key, 0) for key in _keys(one, other)},
        tokens={
            key: one.tokens.get(key, 0) + other.tokens.get(key, 0) for key in _keys(one, other)
        },
        chat=one.chat,
    )


def _digest(one: str, other: str) -> str:
    """The digest of both; of all parts of a corpus that of the corpus.

    Raises `SpaceError` where they are the same texts.
    """
    (first, mine), (second, theirs) = _parts(one), _parts(other)
    if first != second:
        both = "\n".join(sorted([one, other]))
        return hashlib.sha256(both.encode()).hexdigest()
    twice = mine & theirs
    if twice or not mine or not theirs:
        said = f"part {min(twice)} of " if twice else ""
        raise SpaceError(
            f"both spaces are of {said}the same texts, which would count twice; merge each once"
        )
    parts = sorted(mine | theirs, key=lambda part: tuple(map(int, part.split("/"))))
    counts = {part.partition("/")[2] for part in parts}
    whole = len(counts) == 1 and len(parts) == int(min(counts))
    return first if whole else f"{first}{PART}{'+'.join(parts)}"


def _parts(digest: str) -> tuple[str, set[str]]:
    """The digest of a corpus, and the parts of it that are meant; none for all of it."""
    whole, _, parts = digest.partition(PART)
    return whole, set(parts.split("+")) - {""}


def _keys(one: CorpusFacts, other: CorpusFacts) -> list[str]:
    return list(dict.fromkeys([*one.texts, *other.texts]))
