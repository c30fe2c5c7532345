"""What numbers of a configuration may be, each refused by its name."""

from __future__ import annotations

import math
from collections.abc import Sequence


def check_number(name: str, value: float, least: float, most: float = math.inf) -> None:
    """Refuse a number that is not one, or beyond either end."""
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"{name}: got {value!r}; expected {_between(least, most)}")


def check_above_0(name: str, value: float) -> None:
    """Refuse a number that is not one, or not above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}: got {value!r}; expected a number above 0")


def check_span(name: str, span: Sequence[float], least: float, most: float = math.inf) -> None:
    """Refuse what are not two numbers within these ends, the lower one first."""
    is_right = len(span) == 2 and all(map(math.isfinite, span)) and span[0] <= span[1]
    if not (is_right and least <= span[0] and span[1] <= most):
        got = list(span)
        raise ValueError(f"{name}: got {got}; expected two, rising, {_between(least, most)}")


def _between(least: float, most: float) -> str:
    return f"{least:g} to {most:g}" if math.isfinite(most) else f"{least:g} or more"
