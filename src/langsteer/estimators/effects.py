"""Concepts are shared by the languages: two-way least squares."""

from __future__ import annotations

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem


def effects(problem: Problem) -> Shift:
    """Shift by `b_t - b_s` of the model `z = m + a_concept + b_language` (Scheffé, 1959, ch. 4).

    The normal equations are those of a weighted graph Laplacian over the languages, kept by
    `statistics.Alignment`. Raises `CorpusError` when no concepts connect the two languages.
    """
    statistics = problem.statistics
    alignment = statistics.alignment
    row = alignment.languages.index
    source, target = row(problem.origin), row(problem.target)
    group = statistics.memo(("groups",), alignment.groups)
    if group[source] != group[target]:
        alignment.require_connected(problem.origin, problem.target)
    b = statistics.memo(("effects",), alignment.solution)[statistics.at(problem.layer)]
    return Shift((b[target] - b[source]).float())


EFFECTS = Estimator(
    "effects", "difference of language effects, concepts taken out", effects, aligned=True
)
