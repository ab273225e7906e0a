"""What is read so far, on disk every so often, so that a reading that was stopped goes on."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace

import torch

from langsteer.fitting.matched import Matcher
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

    `matcher` where languages are compared at the same tokens; `dropped` tokens by reason.
    """

    statistics: Statistics
    matcher: Matcher | None
    dropped: Counter[str] = field(default_factory=Counter)
    chunks: int = 0


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
        statistics, _ = unpack(tensors, values["statistics"])
        matching = statistics.matching
        sums.statistics = replace(statistics, matching=None).to(device)
        if sums.matcher is not None and matching is not None:
            sums.matcher = replace(sums.matcher, matching=matching.to(device))
        sums.dropped.update(values["dropped"])
        sums.chunks = int(values["chunks"])

    def keep(self, sums: Sums) -> None:
        """Write the state, if it is time to."""
        if time.monotonic() - self._written < max(EVERY, SHARE * self._took):
            return
        began = time.monotonic()
        matcher = sums.matcher
        matching = None if matcher is None else matcher.matching.to(CPU)
        statistics = replace(sums.statistics.to(CPU), matching=matching)
        tensors, values = pack(statistics, equations=True)
        self._state.write(
            tensors,
            {"statistics": values, "dropped": dict(sums.dropped), "chunks": sums.chunks},
        )
        self._written = time.monotonic()
        self._took = self._written - began
