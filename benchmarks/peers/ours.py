"""langsteer, by one stated procedure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fitted import Fitted
from treatments import Candidate, Scored, edited, preferred

from langsteer.edits.maps import Map
from langsteer.edits.scope import Scope


@dataclass(frozen=True)
class Point:
    """One configuration: how latents are pooled, which map is made, where and how strongly."""

    pooling: str
    estimator: str
    layer: int
    strength: float = 1.0
    scope: str = "all"

    def __str__(self) -> str:
        words = f"{self.estimator}, {self.pooling}, layer {self.layer}, strength {self.strength:g}"
        return words if self.scope == "all" else f"{words}, {self.scope}"


FIRST = (
    Point("last", "erasure", 3),
    Point("last", "erasure", 4),
    Point("last", "effects", 3),
    Point("last", "effects", 4),
    Point("last", "difference", 3),
    Point("last", "difference", 4),
    Point("matched", "difference", 3),
    Point("matched", "difference", 4),
)
"""In the order of preference: what needs no source language comes first."""
ESTIMATORS = {"last": ("erasure", "effects", "difference"), "matched": ("difference",)}
FACTORS = (0.67, 0.8, 1.25, 1.5)


class Ours:
    """Pooling and estimator first, then layer, strength and scope around the best of them.

    Eight configurations, then seven around the preferred one.
    """

    name = "langsteer"
    fits = True

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """The configuration that is preferred after both rounds."""
        aligned = fitted.corpus.aligned
        first = [point for point in FIRST if aligned or point.estimator != "effects"]
        values = scored([candidate(fitted, point) for point in first])
        best = first[preferred(values)]
        second = around(best)
        values += scored([candidate(fitted, point) for point in second])
        tried = [best, *(point for point in first if point != best), *second]
        ordered = dict(zip([*first, *second], values, strict=True))
        return candidate(fitted, tried[preferred([ordered[point] for point in tried])])


def around(point: Point) -> list[Point]:
    """The same map with other strengths, at other layers, and at fewer positions."""
    strengths = [replace(point, strength=point.strength * factor) for factor in FACTORS]
    layers = [replace(point, layer=layer) for layer in (2, 5)]
    return [*strengths, *layers, replace(point, scope="generated")]


def candidate(fitted: Fitted, point: Point) -> Candidate:
    """The edits of one configuration."""

    def maps(source: str, target: str) -> dict[int, Map]:
        space = fitted.space(point.pooling, ESTIMATORS[point.pooling])
        return {point.layer: space.map(source, target, point.layer, point.estimator)}

    return edited(str(point), maps, point.strength, Scope.parse(point.scope))
