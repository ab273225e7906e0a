"""How far it is and how long it took: bars with rate and time left, on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int], None]
"""Told how many more are done."""


class RateColumn(ProgressColumn):
    """How many are done per second."""

    def render(self, task: Task) -> Text:
        """The rate, or a dash while it is unknown."""
        speed = task.finished_speed or task.speed
        return Text("-/s" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


@dataclass(frozen=True)
class Bar:
    """A bar that is shown: call it with how many more are done."""

    _bars: Progress
    _task: TaskID

    def __call__(self, number: int) -> None:
        """So many more are done."""
        self._bars.advance(self._task, number)

    def say(self, description: str) -> None:
        """Replace what stands before the bar."""
        self._bars.update(self._task, description=description)


@contextmanager
def bar(description: str, total: int, *, quiet: bool = False) -> Iterator[Bar]:
    """Show a bar of `total` steps while the block runs; yields it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        yield Bar(bars, bars.add_task(description, total=total))


class Stages:
    """The seconds that every stage took, and a progress bar for each that answers prompts."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    @contextmanager
    def answers(self, name: str, total: int) -> Iterator[Bar]:
        """Time a stage and show how much is done; yields the bar to tell of more."""
        with self.timed(name), bar(name, total, quiet=self.quiet) as shown:
            yield shown
