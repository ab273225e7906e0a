"""z_language = μ_t - μ̄: what sets the target apart from all languages, without a source."""

from __future__ import annotations

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem


def centred(problem: Problem) -> Shift:
    """Shift by the target's mean latent less the mean over all languages, each counting once.

    What the languages share, such as the mean of all latents, is not added a second time, as `mean`
    does. The shift from the mean of all languages is that of `difference`; from one language it
    lacks what that language has beyond the others.
    """
    return Shift((problem.mean(problem.target) - problem.means().mean(0)).float())


CENTRED = Estimator("centred", "add μ_target less the mean of all languages", centred, source=False)
