"""What a metric is, and what it sees of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from langsteer.data.answers import GivenAnswer
from langsteer.evaluation.confusion import Confusion

Better = Literal["high", "low", ""]
Kind = Literal["share", "number", "logarithm"]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a metric sees: an answer, what a reader is shown of its text, and its languages."""

    answer: GivenAnswer
    text: str
    confusion: Confusion


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is named and read, and its value for one answer; None where it does not apply.

    A metric without a `value` is made elsewhere, by a model or from verdicts.
    """

    name: str
    title: str
    better: Better
    kind: Kind = "share"
    """A share lies between 0 and 1; of logarithms the exponential of the mean is reported."""
    value: Callable[[Sight], float | None] | None = None

    @property
    def share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return self.kind == "share"
