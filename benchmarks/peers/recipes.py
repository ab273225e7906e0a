"""Recipes of papers, written here from their formulas.

Where a recipe states its strength as a bare number, that number belongs to the norms of the model
that it was made for. Each is therefore also offered relative to the norms of this model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from fitted import LAYERS, Fitted
from torch import Tensor
from treatments import Candidate, Scored, best_of, edited

from langsteer.edits.maps import Diagonal, Map, Shift
from langsteer.edits.scope import Scope

CLAS_STRENGTHS = (1.0, 2.5, 5.0, 10.0)
CLAS_NORM = 17.7
"""The root mean square norm of a latent where the recipe worked best, layer 20 of Llama 3.1 8B."""
RECOVER_SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
RECOVER_BETAS = (1.0, 0.9)
TRANSPORT_STRENGTHS = (1.0, 1.5, 0.7, 3.0)
AFTER_FIRST = Scope.parse("all")
"""All tokens but a special first one."""
LEAST_SPREAD = 1e-6


class ClasBench:
    """A unit vector along the difference of the means, times a strength, at one layer, everywhere.

    Gurgurov et al. (2026), CLaS-Bench, DiffMean: means of all tokens without a special first one.
    Their layers 12, 16, 20 and 24 of 32 are layers 2 to 5 of 8 here.
    """

    fits = True

    def __init__(self, name: str, *, relative: bool, last: bool = False) -> None:
        self.name = name
        self.relative = relative
        self.last = last

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Every layer with every strength."""
        means = fitted.last_means() if self.last else fitted.token_means()
        found = [
            edited(
                f"layer {layer}, strength {strength:g}",
                partial(unit_shift, means, layer, strength * self._unit(fitted, layer)),
            )
            for layer in LAYERS
            for strength in CLAS_STRENGTHS
        ]
        return best_of(found, scored)

    def _unit(self, fitted: Fitted, layer: int) -> float:
        return float(fitted.norms[layer]) / CLAS_NORM if self.relative else 1.0


def unit_shift(
    means: Mapping[str, Tensor], layer: int, length: float, source: str, target: str
) -> dict[int, Map]:
    """A step of ``length`` along the difference of the means."""
    difference = means[target][layer] - means[source][layer]
    return {layer: Shift(length * difference / difference.norm().clamp_min(1e-8))}


class Recover:
    """Unit steps at all layers, after each of which the norm is what it was.

    Sterz et al. (2025), ReCoVeR: z_l is the mean over texts of the mean of their tokens, without a
    special first one, minus its mean over languages; added is α (z_t - β z_s) / |z_t - β z_s|.
    α is given as a share of the mean norm of a latent at its layer (their "relative norm"); the α
    of 1 that they use elsewhere is a hundredth of it here and changes nothing.
    """

    name = "ReCoVeR"
    fits = True

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Every share with every β."""
        means = fitted.text_means()
        centre = torch.stack(list(means.values())).mean(0)
        centred = {language: mean - centre for language, mean in means.items()}
        found = [
            edited(
                f"share {share:g}, β {beta:g}",
                partial(self._maps, centred, fitted.norms * share, beta),
                scope=AFTER_FIRST,
                restore_norm=True,
            )
            for share in RECOVER_SHARES
            for beta in RECOVER_BETAS
        ]
        return best_of(found, scored)

    @staticmethod
    def _maps(
        centred: Mapping[str, Tensor], lengths: Tensor, beta: float, source: str, target: str
    ) -> dict[int, Map]:
        steps = centred[target] - beta * centred[source]
        units = steps / steps.norm(dim=-1, keepdim=True).clamp_min(1e-8)
        return {
            layer: Shift(length * unit)
            for layer, (length, unit) in enumerate(zip(lengths, units, strict=True))
        }


class LinearTransport:
    """Each coordinate by itself: the straight line through its sorted values in both languages.

    Rodriguez et al. (2024), Linear-AcT: a = Σ(x - x̄)(y - ȳ) / Σ(x - x̄)² over equally many sorted
    means of texts, T(z) = a z + ȳ - a x̄, strength is interpolation.
    """

    name = "linear transport"
    fits = True

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Every layer with every strength."""
        means, _, _ = fitted.pooled
        values = {language: means[fitted.rows(language)] for language in fitted.languages}
        found = [
            edited(
                f"layer {layer}, strength {strength:g}",
                partial(self._maps, values, layer),
                strength,
            )
            for layer in LAYERS
            for strength in TRANSPORT_STRENGTHS
        ]
        return best_of(found, scored)

    @staticmethod
    def _maps(values: Mapping[str, Tensor], layer: int, source: str, target: str) -> dict[int, Map]:
        count = min(len(values[source]), len(values[target]))
        x, y = (quantiles(values[one][:, layer], count) for one in (source, target))
        return {layer: line(x, y)}


def quantiles(values: Tensor, count: int) -> Tensor:
    """``count`` of the sorted values ``[n, d]`` of each coordinate, evenly spaced in rank."""
    ranks = torch.linspace(0, len(values) - 1, count).round().long()
    return values.sort(dim=0).values[ranks]


def line(x: Tensor, y: Tensor) -> Diagonal:
    """The least-squares line from ``x`` to ``y``, both ``[n, d]``, in each coordinate."""
    from_mean = x - x.mean(0)
    spread = from_mean.square().sum(0)
    slope = (from_mean * (y - y.mean(0))).sum(0) / spread.clamp_min(LEAST_SPREAD)
    scale = torch.where(spread > LEAST_SPREAD, slope, torch.ones_like(slope))
    return Diagonal(scale, y.mean(0) - scale * x.mean(0))


RECIPES: tuple[Callable[[], ClasBench | Recover | LinearTransport], ...] = (
    lambda: ClasBench("CLaS-Bench", relative=False),
    lambda: ClasBench("CLaS-Bench, scaled", relative=True),
    lambda: ClasBench("CLaS-Bench, scaled, last token", relative=True, last=True),
    Recover,
    LinearTransport,
)
