"""How numbers are written in the report."""

import math

from langsteer.evaluation.aggregate import Estimate, Rate

SPACE = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"
NONE = "\N{EN DASH}"
"""What stands for a number that was not measured."""
ROUNDING = 1e-9
"""What sums of weights may be off by: a share this near to 1 is 1."""


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as `97.3 %`. Only 1 is written as 100 % and only 0 as 0 %, to `ROUNDING`."""
    return f"{bare_percent(value, digits)}{SPACE}%" if known(value) else NONE


def bare_percent(value: float | None, digits: int = 1) -> str:
    """As `percent`, without the sign: for the inside of tables and intervals."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{100 * value:.{digits}f}"
    smallest = 10.0**-digits
    if value < 1 - ROUNDING and float(text) >= 100:
        return f">{100 - smallest:.{digits}f}"
    if value > ROUNDING and float(text) <= 0:
        return f"<{smallest:.{digits}f}"
    return text


def interval(rate: Rate) -> str:
    """The interval of a rate as `96.8–97.9`."""
    return f"{bare_percent(rate.low)}{DASH}{bare_percent(rate.high)}"


def estimate(one: Estimate) -> str:
    """The value of an estimate: a share as a percentage, any other number with three digits."""
    return percent(one.value) if isinstance(one, Rate) else f"{one.value:.3g}"


def estimated(one: Estimate) -> str:
    """The interval of an estimate, as its value is written."""
    return interval(one) if isinstance(one, Rate) else f"{one.low:.3g}{DASH}{one.high:.3g}"


def real(value: float | None) -> str:
    """A number with four significant digits."""
    return f"{value:#.4g}".rstrip(".") if value is not None and math.isfinite(value) else NONE


def plain(value: float) -> str:
    """A number that someone chose, as they would write it: `1`, `0.75`."""
    return f"{value:g}"


def count(value: int | None) -> str:
    """A whole number, thousands apart."""
    return NONE if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def seconds(value: float) -> str:
    """A duration as `3.2 s` or `2 min 05 s`."""
    if round(value, 1) < 60:
        return f"{value:.1f}{SPACE}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{SPACE}min{SPACE}{rest:02d}{SPACE}s"


def size(value: int) -> str:
    """A number of bytes as `12 kB` or `3.4 MB`."""
    if value < 999_500:
        return f"{max(1, round(value / 1000))}{SPACE}kB"
    return f"{value / 1e6:.1f}{SPACE}MB"


def known(value: float | None) -> bool:
    """Whether there is a number."""
    return value is not None and math.isfinite(value)
