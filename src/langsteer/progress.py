"""Progress bars with rate and time left, on standard error, and the seconds of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

Advance = Callable[[int], None]
"""Called with the number of steps that were just finished."""


class Bar:
    """A progress bar: call it with the number of steps that were just finished.

    Args:
        bars: the display of rich that shows it; None shows nothing.
        task: the number of the bar in that display.
    """

    def __init__(self, bars: Any = None, task: int = 0) -> None:
        self._bars = bars
        self._task = task

    def __call__(self, number: int) -> None:
        """Advance by so many steps."""
        if self._bars is not None:
            self._bars.advance(self._task, number)

    def say(self, description: str) -> None:
        """Replace the text before the bar."""
        if self._bars is not None:
            self._bars.update(self._task, description=description)


@contextmanager
def bar(description: str, total: int, *, quiet: bool = False) -> Iterator[Bar]:
    """Show a bar of `total` steps while the context is entered; yields it.

    A quiet bar shows nothing, and so does every bar where rich is not installed.
    """
    if quiet or find_spec("rich") is None:
        yield Bar()
        return
    with _display() as bars:
        yield Bar(bars, bars.add_task(description, total=total))


def _display() -> Any:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("-/s" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class Timer:
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
        """Time a stage and show its progress; yields the bar to advance."""
        with self.timed(name), bar(name, total, quiet=self.quiet) as shown:
            yield shown
