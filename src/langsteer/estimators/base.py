"""What every estimator is given and what it says about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from langsteer.edits.maps import Map
from langsteer.errors import LanguageError
from langsteer.statistics import Statistics
from langsteer.statistics.scatter import SecondMoments


@dataclass(frozen=True, slots=True)
class Problem:
    """Estimate a map towards `target` (from `source`, where that is known) at `layer`."""

    statistics: Statistics
    source: str | None
    target: str
    layer: int
    rank: int | None = None

    @property
    def origin(self) -> str:
        """The source language; `LanguageError` when there is none."""
        if self.source is None:
            raise LanguageError(
                "This estimator needs the language that the text is in. Name it, or use an "
                "estimator that needs the target alone: mean, erasure or exchange."
            )
        return self.source

    def mean(self, language: str) -> Tensor:
        """`[d]`: the mean latent of a language."""
        return self.statistics.mean(language, self.layer)

    def delta(self) -> Tensor:
        """`[d]`: the difference of the means, target minus source."""
        return self.mean(self.target) - self.mean(self.origin)

    def means(self) -> Tensor:
        """`[K, d]`: the means of all languages."""
        return self.statistics.means(self.layer)


@dataclass(frozen=True, slots=True)
class Estimator:
    """A way to make a map, and what it needs of the statistics.

    `source`: needs the source language. `aligned`: needs texts that share concepts. `sample`:
    needs a sample of text latents. `ranked`: takes a rank, written `name:rank`.
    """

    name: str
    summary: str
    make: Callable[[Problem], Map]
    source: bool = True
    second_moments: SecondMoments = "none"
    aligned: bool = False
    sample: bool = False
    ranked: bool = False
