"""From the evidence behind an operating point to the records of the report."""

from langsteer.report.data import LayerStrengthPoint
from langsteer.space import OperatingPoint


def surface_of(point: OperatingPoint) -> list[LayerStrengthPoint]:
    """Every layer and strength that tuning tried with the scope and the estimator of a point.

    Empty where the point was not tuned. Trials at several layers at once have no place on the
    surface.
    """
    trials = [
        trial
        for trial in point.evidence.get("trials", ())
        if (trial["scope"], trial["estimator"]) == (point.scope, point.estimator)
        and len(trial["layers"]) == 1
    ]
    found = {
        (trial["layers"][0], trial["strength"]): (trial["objective"], trial["cases"])
        for trial in trials
    }
    return [LayerStrengthPoint(*place, *result) for place, result in sorted(found.items())]
