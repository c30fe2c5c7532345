"""Distances to the outside of a mask, exact as far as they matter: quick and with little memory."""

from __future__ import annotations

import numpy as np
from numba import njit


def distance_mm(mask: np.ndarray, spacing_mm: np.ndarray, reach_mm: float) -> np.ndarray:
    """Distance of each voxel of a mask to the nearest voxel outside, (k, j, i) float64.

    Exact up to `reach_mm`; what is farther has some value above it, or inf. Beyond the grid there
    is neither inside nor outside. Euclid's square splits into axes: one pass along each finds the
    smallest sum of what the pass before left and the square of the way along this axis.
    """
    squared = np.where(mask, np.inf, 0.0)
    for axis, mm in enumerate(spacing_mm):
        ways = (np.arange(int(np.ceil(reach_mm / mm)) + 1) * mm) ** 2
        found = np.empty_like(squared)
        if axis == 2:
            nearest_along(found, squared, ways)
        else:
            shape = (1, *mask.shape) if axis == 0 else mask.shape
            lines = (shape[0], shape[1], -1)
            nearest_across(found.reshape(lines), squared.reshape(lines), ways)
        squared = found
    return np.sqrt(squared, out=squared)


@njit(nogil=True, cache=True)
def nearest_across(found, squared, ways):
    """found = min over s of squared[:, n + s] + ways[|s|], both (m, n, w) float64."""
    for m in range(squared.shape[0]):
        for n in range(squared.shape[1]):
            out = found[m, n]
            for w in range(len(out)):
                out[w] = np.inf
            for other in range(max(n - len(ways) + 1, 0), min(n + len(ways), squared.shape[1])):
                line, way = squared[m, other], ways[abs(other - n)]
                for w in range(len(out)):
                    value = line[w] + way
                    out[w] = value if value < out[w] else out[w]


@njit(nogil=True, cache=True)
def nearest_along(found, squared, ways):
    """found = min over s of squared[:, :, w + s] + ways[|s|], both (m, n, w) float64."""
    for m in range(squared.shape[0]):
        for n in range(squared.shape[1]):
            out, line = found[m, n], squared[m, n]
            for w in range(len(line)):
                out[w] = line[w]
            for s in range(1, min(len(ways), len(line))):
                for w in range(len(line) - s):
                    value = line[w + s] + ways[s]
                    out[w] = value if value < out[w] else out[w]
                for w in range(s, len(line)):
                    value = line[w - s] + ways[s]
                    out[w] = value if value < out[w] else out[w]
