"""Languages come from families: means are shrunk towards what the others say."""

from __future__ import annotations

import torch
from torch import Tensor

from langsteer.edits.maps import Shift
from langsteer.errors import CorpusError
from langsteer.estimators.base import Estimator, Problem
from langsteer.statistics.uncertainty import error_matrix


def shrunken(problem: Problem) -> Shift:
    """Shift by the difference of the empirical-Bayes means of the languages.

    Coordinates are draws of K language effects with a covariance C among languages, seen with the
    sampling covariance V of the K means. C is what the Gram matrix of the means has beyond V, and
    the posterior mean is `C (C + V)⁻¹` times the means: Efron and Morris (1972), Empirical Bayes
    on vector observations, with errors that differ by language. A language with many texts stays
    where it is; one with few moves towards the languages that it resembles.
    """
    statistics, layer = problem.statistics, problem.layer
    means = statistics.memo(("shrunken", layer), lambda: _means(problem))
    row = statistics.languages.index
    return Shift((means[row(problem.target)] - means[row(problem.origin)]).float())


def posterior(means: Tensor, error: Tensor) -> Tensor:
    """`[K, d]`: shrunk `means [K, d]`; `error [K, K]`: their sampling covariance, summed over d."""
    centre = means.mean(0)
    apart = means - centre
    middle = torch.eye(len(means), dtype=means.dtype) - 1 / len(means)
    noise = middle @ error @ middle
    values, vectors = torch.linalg.eigh(apart @ apart.T - noise)
    signal = (vectors * values.clamp_min(0)) @ vectors.T
    gain: Tensor = signal @ torch.linalg.pinv(signal + noise, hermitian=True, rtol=1e-12)
    return centre + gain @ apart


def _means(problem: Problem) -> Tensor:
    statistics = problem.statistics
    error = error_matrix(statistics)[statistics.at(problem.layer)]
    if not bool(error.isfinite().all()):
        few = [one for one, part in statistics.moments.items() if part.texts < 2]
        raise CorpusError(
            f"Shrinking needs two texts of each language to know its error; there are fewer of "
            f"{', '.join(few)}. Add texts, or leave the language out."
        )
    return posterior(problem.means(), error)


SHRUNKEN = Estimator(
    "shrunken", "difference, shrunk towards related languages by its own error", shrunken
)
