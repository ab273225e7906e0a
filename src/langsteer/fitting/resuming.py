"""What is read so far, on disk every so often, so that a reading that was stopped goes on."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import torch

from langsteer.fitting.matched import Matcher
from langsteer.fitting.precision import FIRST, GROWTH, Precision
from langsteer.space.state import RunState
from langsteer.statistics import Statistics
from langsteer.statistics.storage import pack, unpack

CPU = torch.device("cpu")
EVERY = 60.0
"""Seconds between two states."""
SHARE = 20.0
"""At least so many times as long as writing one takes."""


@dataclass
class Sums:
    """What a reading has added up: so many `chunks` of its texts.

    `matcher` where languages are compared at the same tokens; `dropped` tokens by reason. With a
    `precision`, the languages that are `known` are read no further, and are looked at again when
    the others have `next_look` texts.
    """

    statistics: Statistics
    matcher: Matcher | None
    dropped: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    precision: Precision | None = None
    known: frozenset[str] = frozenset()
    next_look: int = field(default_factory=lambda: FIRST)

    def look(self) -> None:
        """See which languages are known by now, if there are enough more texts than last time."""
        unknown = [
            part.texts
            for language, part in self.statistics.moments.items()
            if language not in self.known
        ]
        if self.precision is None or not unknown or min(unknown) < self.next_look:
            return
        self.next_look = math.ceil(GROWTH * min(unknown))
        statistics = self.statistics.to(CPU)
        if self.matcher is not None:
            statistics.match(self.matcher.matching.to(CPU))
        self.known |= self.precision.known(statistics)


class Resumable:
    """Writes the state of a reading, and takes it up."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._written, self._took = time.monotonic(), 0.0

    def resume(self, sums: Sums) -> None:
        """Bring the sums to where the state is, if there is one.

        Raises:
            LangsteerError: the state is damaged, or that of another reading.
        """
        found = self._state.read()
        if found is None:
            return
        tensors, values = found
        device = sums.statistics.alignment.moment.device
        statistics, left = unpack(tensors, values["statistics"])
        matching = statistics.matching
        sums.statistics = replace(statistics, matching=None).to(device)
        if sums.matcher is not None and matching is not None:
            sums.matcher = replace(sums.matcher, matching=matching.to(device))
        sums.dropped.update(values["dropped"])
        sums.chunks = int(values["chunks"])
        if sums.precision is not None:
            sums.precision.resume(left)
            sums.known = frozenset(values["known"])
            sums.next_look = int(values["next_look"])

    def keep(self, sums: Sums) -> None:
        """Write the state, if it is time to."""
        waited = time.monotonic() - self._written
        if self._state.path is None or waited < max(EVERY, SHARE * self._took):
            return
        began = time.monotonic()
        matcher = sums.matcher
        matching = None if matcher is None else matcher.matching.to(CPU)
        statistics = replace(sums.statistics.to(CPU), matching=matching)
        tensors, values = pack(statistics, equations=True)
        if sums.precision is not None:
            tensors |= sums.precision.state()
        self._state.write(
            tensors,
            {
                "statistics": values,
                "dropped": dict(sums.dropped),
                "chunks": sums.chunks,
                "known": sorted(sums.known),
                "next_look": sums.next_look,
            },
        )
        self._written = time.monotonic()
        self._took = self._written - began
