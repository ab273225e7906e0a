"""The best strength of one configuration, by as few tries as the noise allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, log, sqrt

import numpy as np

from langsteer.evaluation.aggregate import Floats, interval
from langsteer.evaluation.cases import Outcome
from langsteer.tuning.comparing import Compared, compare

Columns = dict[float, Sequence[Outcome]]
STEP = sqrt(2)
RANGE = (0.25, 4.0)
TOLERANCE = 0.01
"""A gain of less than one point is not worth another try."""
TRIES = 4
"""The most strengths after the first three."""
APART = 1.1
"""Two strengths closer than by this factor are taken to be one."""


def search(ask: Callable[[list[float]], list[Sequence[Outcome]]], first: Columns) -> Columns:
    """Try strengths on the same cases until no other promises a gain; returns all with outcomes.

    Begins at strength 1 and half an octave to both sides. If the best is the outermost, the next
    lies beyond it; else at the top of the parabola through the best and its neighbours, as in
    successive parabolic interpolation (Brent, Algorithms for Minimization without Derivatives,
    1973, chapter 5) over the logarithm of the strength. It stops when the upper end of the 95 %
    interval of what that can gain is below one point.

    Args:
        ask: From strengths to the outcomes of each on the same cases.
        first: What is known already, at least strength 1.
    """
    tried = dict(first)
    _ask(ask, tried, [one for one in (1 / STEP, 1.0, STEP) if one not in tried])
    for _ in range(TRIES):
        wanted = _next(tried)
        if wanted is None:
            break
        _ask(ask, tried, [wanted])
    return tried


def choose(tried: Columns) -> float:
    """The best strength; of equals that nearest to 1, which is the map as it was estimated."""
    strengths = sorted(tried)
    compared = compare([tried[strength] for strength in strengths])
    return strengths[_best(strengths, compared)]


def _ask(
    ask: Callable[[list[float]], list[Sequence[Outcome]]], tried: Columns, wanted: list[float]
) -> None:
    tried.update(zip(wanted, ask(wanted), strict=True))


def _best(strengths: Sequence[float], compared: Compared) -> int:
    return max(
        range(len(strengths)),
        key=lambda row: (round(float(compared.value[row]), 4), -abs(log(strengths[row]))),
    )


def _next(tried: Columns) -> float | None:
    """The strength to try next; None: nothing promises enough."""
    strengths = sorted(tried)
    compared = compare([tried[strength] for strength in strengths])
    best = _best(strengths, compared)
    if best in (0, len(strengths) - 1):
        return _beyond(strengths, compared, best)
    at = [best - 1, best, best + 1]
    top, gain = _vertex([log(strengths[row]) for row in at], compared.drawn[at], compared.value[at])
    near = any(max(top / known, known / top) < APART for known in strengths)
    return None if near or interval(gain)[1] < TOLERANCE else round(top, 3)


def _beyond(strengths: Sequence[float], compared: Compared, best: int) -> float | None:
    """One step beyond the outermost: a concave curve gains no more there than it did last."""
    inner, outward = (1, 1 / STEP) if best == 0 else (best - 1, STEP)
    wanted = strengths[best] * outward
    inside = RANGE[0] <= wanted <= RANGE[1]
    return wanted if inside and compared.gain(best, inner)[1] >= TOLERANCE else None


def _vertex(places: Sequence[float], drawn: Floats, value: Floats) -> tuple[float, Floats]:
    """The strength at the top of the parabola, and what each draw gains there over the middle."""
    fits = np.polyfit(np.array(places) - places[1], np.column_stack([value, drawn]), 2)
    curve, slope = fits[0], fits[1]
    low, high = places[0] - places[1], places[2] - places[1]
    top = np.divide(-slope, 2 * curve, out=np.zeros_like(slope), where=curve < 0)
    top = top.clip(low, high)
    gain = curve * top**2 + slope * top
    return exp(places[1] + float(top[0])), gain[1:].clip(0)
