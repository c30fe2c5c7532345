"""How far a figure would move with other patients or other readings: 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np

LEVEL = 0.95
DRAWS = 4000
SEED = 20260101
Z = 1.959963984540054
"""Two-sided normal quantile of `LEVEL`."""


def mean_interval(
    values: Sequence[float], patients: Sequence[Hashable], seed: int = SEED
) -> tuple[float, float] | None:
    """Interval of the mean of all values, by a bootstrap over patients; None with one patient.

    Whole patients are drawn with replacement, each with all of their values, for the views of one
    patient are not independent (Efron and Tibshirani 1993, percentile method). With few patients
    the interval is too narrow rather than too wide.

    Args:
        values: one figure each.
        patients: whose each value is.
        seed: the same gives the same interval.
    """
    names = list(dict.fromkeys(patients))
    if len(names) < 2:
        return None
    number = {name: n for n, name in enumerate(names)}
    of = np.array([number[p] for p in patients])
    sums = np.bincount(of, weights=np.asarray(values, dtype=np.float64), minlength=len(names))
    counts = np.bincount(of, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(0, len(names), (DRAWS, len(names)))
    return _middle(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def resampled_interval(
    units: Sequence, statistic: Callable[[list], float], seed: int = SEED, draws: int = 1000
) -> tuple[float, float] | None:
    """Interval of `statistic(units)` by drawing units with replacement; None with one unit.

    Draws for which the statistic is not defined (NaN) are left out; None where it seldom is.
    """
    if len(units) < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(units), (draws, len(units)))
    found = np.array([statistic([units[n] for n in row]) for row in drawn])
    found = found[np.isfinite(found)]
    return _middle(found) if len(found) >= draws / 2 else None


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """Wilson's score interval of a share, 0 to 1; None without trials.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes: got {successes}; expected 0 to {trials}")
    if trials == 0:
        return None
    share, z2 = successes / trials, Z * Z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z / (1 + z2 / trials) * math.sqrt(
        share * (1 - share) / trials + z2 / (4 * trials * trials)
    )  # fmt: skip
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _middle(draws: np.ndarray) -> tuple[float, float]:
    """The middle `LEVEL` of what was drawn."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)
