"""Which layers are worth trying, from what the statistics hold and without an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from langsteer.errors import SpaceError
from langsteer.statistics import Statistics

SHARE_OF_LAYERS = 1 / 3
FEWEST_LAYERS = 4


@dataclass(frozen=True, slots=True)
class LayerScore:
    """What the statistics say about one layer; each number is between 0 and 1.

    `separability`: how often the middle between two means tells a text's language, the mean over
    pairs. `language`: the share of the variance of texts that is due to their language.
    `alignment`: the correlation of translations within their languages; None without any. `score`:
    the geometric mean of those that there are.
    """

    layer: int
    separability: float
    language: float
    alignment: float | None
    score: float


def rank_layers(statistics: Statistics) -> list[LayerScore]:
    """What can be expected of each layer, in the order of the layers.

    A layer promises much where languages lie apart, where texts differ by language, and where what
    a text says lies in the same place in all of them: there a shift changes the language and
    leaves the rest. Without second moments the coordinates are taken to be uncorrelated.
    """
    separability = _separability(statistics)
    language = _language_share(statistics)
    alignment = _alignment(statistics)
    found = []
    for row, layer in enumerate(statistics.layers):
        parts = [2 * float(separability[row]) - 1, float(language[row])]
        if alignment is not None:
            parts.append(float(alignment[row]))
        score = float(torch.tensor(parts, dtype=torch.float64).prod() ** (1 / len(parts)))
        shared = None if alignment is None else float(alignment[row])
        found.append(
            LayerScore(layer, float(separability[row]), float(language[row]), shared, score)
        )
    return found


def best_layers(found: Sequence[LayerScore]) -> tuple[int, ...]:
    """The layers that promise most: a third of them, and at least four; ascending."""
    size = max(FEWEST_LAYERS, ceil(SHARE_OF_LAYERS * len(found)))
    best = sorted(found, key=lambda one: one.score, reverse=True)[:size]
    return tuple(sorted(one.layer for one in best))


def _separability(statistics: Statistics) -> Tensor:
    """`[layers]`: mean over pairs of Φ(d'/2), d' the distance of two means along their difference.

    The error of the rule that a text has the language of the nearer mean, for normal latents with
    one variance (Hastie, Tibshirani and Friedman, 2009, section 4.3).
    """
    means = torch.stack([part.mean for part in statistics.moments.values()], 1)
    first, second = torch.triu_indices(means.shape[1], means.shape[1], 1)
    delta = means[:, second] - means[:, first]
    norm = delta.square().sum(-1)
    spread = torch.stack(
        [_spread(statistics, row, delta[row]) for row in range(len(statistics.layers))]
    )
    distance = torch.where(spread > 0, norm / spread.sqrt(), torch.full_like(norm, torch.inf))
    distance = torch.where(norm > 0, distance, torch.zeros_like(norm))
    found: Tensor = torch.special.ndtr(distance / 2)
    return found.mean(1)


def _spread(statistics: Statistics, row: int, delta: Tensor) -> Tensor:
    """`[pairs]`: the variance of texts along `delta [pairs, d]`, times its square."""
    try:
        covariance = statistics.covariance(statistics.layers[row])
    except SpaceError:
        variance = statistics.within_variance()[row]
        return (delta.square() * variance).sum(-1)
    return ((delta @ covariance) * delta).sum(-1)


def _language_share(statistics: Statistics) -> Tensor:
    """`[layers]`: between languages, of between and within."""
    if statistics.alignment.concepts:
        return statistics.alignment.shares(adjusted=True).language
    means = torch.stack([part.mean for part in statistics.moments.values()], 1)
    between = means.var(1, correction=0).sum(-1)
    whole = between + statistics.within_variance().sum(-1)
    return torch.where(whole > 0, between / whole, torch.zeros_like(whole))


def _alignment(statistics: Statistics) -> Tensor | None:
    """`[layers]`: correlation of translations, coordinates weighed by their variance."""
    alignment = statistics.alignment
    if not alignment.concepts:
        return None
    weight = alignment.spread
    total = weight.sum(-1)
    shared = (alignment.concept_correlation() * weight).sum(-1)
    return torch.where(total > 0, shared / total, torch.zeros_like(total))


def rank_correlation(predicted: Mapping[int, float], measured: Mapping[int, float]) -> float:
    """Spearman's rank correlation over the layers in both; ties have their mean rank."""
    layers = sorted(predicted.keys() & measured.keys())
    ranks = [_ranks([table[layer] for layer in layers]) for table in (predicted, measured)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def _ranks(values: Sequence[float]) -> Tensor:
    given = torch.tensor(values, dtype=torch.float64)
    below = (given[:, None] > given[None, :]).sum(1)
    equal = (given[:, None] == given[None, :]).sum(1)
    return below + (equal + 1) / 2
