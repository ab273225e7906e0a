"""First moments of one language's latents, with what their standard error needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(slots=True)
class Moments:
    """Weighted mean and scatter of the texts of one language, in float64.

    One observation is one text `i`: its mean latent `m_i` and its weight `w_i` (its number of
    tokens when all tokens count alike, else 1). The mean `Σ w m / Σ w` is then a ratio estimator
    whose error comes from texts, not tokens, because the tokens of one text are not independent.

    `mean`, `weighted_squares` (Σ w² (m - mean)²), `weighted_deviation` (Σ w² (m - mean)) and
    `scatter` (Σ w (m - mean)²) are `[layers, d]`; `weight` is Σ w and `weight2` is Σ w².
    """

    texts: int
    tokens: int
    weight: float
    weight2: float
    mean: Tensor
    weighted_squares: Tensor
    weighted_deviation: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, layers: int, width: int, device: torch.device | None = None) -> Moments:
        """Moments of no text, on `device`."""
        zeros = torch.zeros(4, layers, width, dtype=torch.float64, device=device)
        return cls(0, 0, 0.0, 0.0, *zeros.clone().unbind())

    @classmethod
    def of(cls, means: Tensor, weights: Tensor, tokens: int = 0) -> Moments:
        """Moments of texts with mean latents `means [n, layers, d]` and positive `weights [n]`.

        They are on the device of `means`; with weights on the CPU nothing waits for that device.
        """
        means, weights = means.double(), weights.double()
        weight = float(weights.sum())
        w = weights.to(means.device)[:, None, None]
        # Summing differences from the first text keeps the digits of data far from the origin.
        offset = means[0]
        mean = offset + (w * (means - offset)).sum(0) / weight
        centred = means - mean
        heavy = w * w * centred
        return cls(
            texts=len(means),
            tokens=tokens,
            weight=weight,
            weight2=float((weights * weights).sum()),
            mean=mean,
            weighted_squares=(heavy * centred).sum(0),
            weighted_deviation=heavy.sum(0),
            scatter=(w * centred * centred).sum(0),
        )

    def merge(self, other: Moments) -> Moments:
        """Moments of the texts of both: the pairwise update of Chan, Golub and LeVeque (1979)."""
        if not self.texts or not other.texts:
            return self if self.texts else other
        weight = self.weight + other.weight
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.weight / weight)
        moved = [part._about(mean) for part in (self, other)]
        return Moments(
            texts=self.texts + other.texts,
            tokens=self.tokens + other.tokens,
            weight=weight,
            weight2=self.weight2 + other.weight2,
            mean=mean,
            weighted_squares=moved[0][0] + moved[1][0],
            weighted_deviation=moved[0][1] + moved[1][1],
            scatter=self.scatter
            + other.scatter
            + gap * gap * (self.weight * other.weight / weight),
        )

    def to(self, device: torch.device) -> Moments:
        """The same, on a device."""
        parts = (self.mean, self.weighted_squares, self.weighted_deviation, self.scatter)
        mean, squares, deviation, scatter = (part.to(device) for part in parts)
        return replace(
            self,
            mean=mean,
            weighted_squares=squares,
            weighted_deviation=deviation,
            scatter=scatter,
        )

    def _about(self, centre: Tensor) -> tuple[Tensor, Tensor]:
        """`weighted_squares` and `weighted_deviation` about another centre."""
        step = centre - self.mean
        squares = (
            self.weighted_squares - 2 * step * self.weighted_deviation + step * step * self.weight2
        )
        return squares.clamp_min(0), self.weighted_deviation - step * self.weight2

    @property
    def degrees(self) -> float:
        """Σ w - Σ w² / Σ w: `scatter / degrees` is unbiased for the variance of a text's latent."""
        return self.weight - self.weight2 / self.weight if self.texts else 0.0

    def variance(self) -> Tensor:
        """`[layers, d]`: variance of text means within the language (infinite for one text)."""
        if self.texts < 2:
            return torch.full_like(self.scatter, math.inf)
        return self.scatter / self.degrees

    def standard_error(self) -> Tensor:
        """`[layers, d]`: standard error of `mean`, robust to dependence within texts.

        `sqrt(n/(n-1) Σ w²(m - mean)²) / Σ w`, the linearised variance of a ratio estimator
        (Cochran, Sampling Techniques, 1977, chapter 6). Infinite for fewer than two texts.
        """
        if self.texts < 2:
            return torch.full_like(self.weighted_squares, math.inf)
        return (self.weighted_squares * (self.texts / (self.texts - 1))).sqrt() / self.weight
