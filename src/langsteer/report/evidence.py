"""From the evidence behind an operating point to the records of the report.

A trial is what tuning found of one configuration, see `langsteer.tuning.search`. A point that was
not tuned has none, and trials at several layers at once have no place among single layers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from langsteer.evaluation.aggregate import Rate
from langsteer.report.data import GapPoint, LayerPoint, LayerStrengthPoint, MethodResult
from langsteer.space.space import OperatingPoint

Trial = Mapping[str, Any]


def surface_of(point: OperatingPoint) -> list[LayerStrengthPoint]:
    """Every layer and strength that was tried with the scope and the estimator of a point."""
    cells = [
        LayerStrengthPoint(
            trial["layers"][0], trial["strength"], trial["objective"], trial["cases"]
        )
        for trial in alike(point)
    ]
    return sorted(cells, key=lambda cell: (cell.layer, cell.strength))


def layers_of(point: OperatingPoint) -> list[LayerPoint]:
    """Every layer that was tried at strength 1 with the scope and the estimator of a point."""
    points = [
        LayerPoint(
            trial["layers"][0],
            rate(trial, "language_rate"),
            known(trial, "meaning"),
            known(trial, "both") or known(trial, "score"),
        )
        for trial in alike(point)
        if trial["strength"] == 1
    ]
    return sorted(points, key=lambda one: one.layer)


def gaps_of(point: OperatingPoint) -> list[GapPoint]:
    """Every layer that teacher forcing ranked at strength 1, else like the point."""
    ranked: Iterable[Trial] = point.evidence.get("ranked", ())
    gaps = [
        GapPoint(trial["layers"][0], trial["recovered"])
        for trial in ranked
        if like(trial, point) and trial["strength"] == 1
    ]
    return sorted(gaps, key=lambda one: one.layer)


def estimators_of(point: OperatingPoint) -> list[MethodResult]:
    """The best trial of each estimator among those that were asked most; none for one estimator."""
    best: dict[str, Trial] = {}
    for trial in trials_of(point):
        rival = best.setdefault(trial["estimator"], trial)
        if standing(trial) > standing(rival):
            best[trial["estimator"]] = trial
    if len(best) < 2:
        return []
    return [
        MethodResult(
            name,
            "on the tuning split",
            known(trial, "both") or known(trial, "score"),
            rate(trial, "language_rate"),
            known(trial, "meaning"),
            ours=name == point.estimator,
        )
        for name, trial in best.items()
    ]


def alike(point: OperatingPoint) -> Iterable[Trial]:
    """The trials at one layer that differ from a point in layer and strength alone."""
    return (trial for trial in trials_of(point) if like(trial, point))


def like(trial: Trial, point: OperatingPoint) -> bool:
    """Whether a trial is at one layer, with the scope and the estimator of a point."""
    same = (trial["scope"], trial["estimator"]) == (point.scope, point.estimator)
    return same and len(trial["layers"]) == 1


def trials_of(point: OperatingPoint) -> Iterable[Trial]:
    """All trials behind a point."""
    trials: Iterable[Trial] = point.evidence.get("trials", ())
    return trials


def standing(trial: Trial) -> tuple[int, float]:
    """What trials of one estimator are ordered by: those given up early come last."""
    return trial["cases"], trial["objective"]


def rate(trial: Trial, name: str) -> Rate:
    """One rate of a trial."""
    return Rate(**trial["rates"][name])


def known(trial: Trial, name: str) -> Rate | None:
    """One rate of a trial, if it could be measured."""
    return rate(trial, name) if name in trial["rates"] else None
