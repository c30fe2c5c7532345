"""How far readers agree: Krippendorff's α.

Written from K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), and not taken from
the package `krippendorff`, whose licence (GPL) this project's (MIT) cannot carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..intervals import SEED, resampled_interval

LEVELS = ("nominal", "ordinal", "interval")


@dataclass(frozen=True)
class Agreement:
    """α: 1 where all agree, 0 as by chance, below where they differ more than by chance.

    Attributes:
        alpha: None where it is not defined: no image judged by two, or one answer to all of them.
        interval: 95 %, images drawn with replacement.
        level: "nominal", "ordinal" or "interval".
        images: judged by two readers or more.
    """

    alpha: float | None
    interval: tuple[float, float] | None
    level: str
    images: int


def agreement(units: Sequence[Sequence], level: str, seed: int = SEED) -> Agreement:
    """α of what readers said, one list of answers for each image; missing answers are left out."""
    tables, values = _coincidences(units)
    alpha = _alpha(tables, values, level)
    if not np.isfinite(alpha):
        return Agreement(None, None, level, len(tables))
    interval = resampled_interval(tables, lambda drawn: _alpha(drawn, values, level), seed)
    return Agreement(alpha, interval, level, len(tables))


def krippendorff_alpha(units: Sequence[Sequence], level: str) -> float:
    """α = 1 - observed over expected disagreement; NaN where no disagreement is possible.

    Args:
        units: for each image the answers it got, in any order. Numbers where they are ordered.
        level: "nominal", "ordinal" or "interval".
    """
    return _alpha(*_coincidences(units), level)


def _coincidences(units: Sequence[Sequence]) -> tuple[list[np.ndarray], list]:
    """A coincidence table (values, values) for each unit with two answers or more; the values."""
    paired = [list(unit) for unit in units if len(unit) > 1]
    kinds: set[Any] = {answer for unit in paired for answer in unit}
    values = sorted(kinds)
    number = {value: n for n, value in enumerate(values)}
    tables = []
    for unit in paired:
        counts = np.bincount([number[answer] for answer in unit], minlength=len(values))
        tables.append((np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1))
    return tables, values


def _alpha(tables: Sequence[np.ndarray], values: list, level: str) -> float:
    if level not in LEVELS:
        raise ValueError(f"level: got {level!r}; expected one of {', '.join(LEVELS)}")
    if not tables:
        return float("nan")
    coincidence = np.sum(tables, axis=0)
    totals = coincidence.sum(axis=0)
    n = totals.sum()
    difference = _squared_difference(totals, values, level)
    expected = (np.outer(totals, totals) * difference).sum() / (n - 1)
    if expected <= 0:
        return float("nan")
    return float(1 - (coincidence * difference).sum() / expected)


def _squared_difference(totals: np.ndarray, values: list, level: str) -> np.ndarray:
    """How far apart two values count, (values, values)."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        at = np.asarray(values, dtype=np.float64)
    else:  # as many answers as lie between the two, half of their own included
        at = np.cumsum(totals) - totals / 2
    return (at[:, None] - at[None, :]) ** 2
