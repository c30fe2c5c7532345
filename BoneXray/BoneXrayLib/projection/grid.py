"""What every kernel needs: the packed grid, where its planes cross a ray, which cells matter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

LANES = 16
"""Rows of the detector that are worked on together."""

PLANES = 16
"""Planes of the grid between two looks at which cells are empty: two cells."""


class Grid(NamedTuple):
    """A `PackedVolume` as kernels take it, flat."""

    values: np.ndarray
    strides: tuple[int, int, int]
    counts: tuple[int, int, int]
    shift: int
    filled: np.ndarray
    bone: np.ndarray


@njit(inline="always")
def clip_range(at, slope, low, high, first, last):
    """Narrow first … last of a parameter t to where at + slope · t lies in [low, high]."""
    if abs(slope) < 1e-12:
        if at < low or at > high:
            return 1.0, 0.0
        return first, last
    one = (low - at) / slope
    two = (high - at) / slope
    return max(first, min(one, two)), min(last, max(one, two))


@njit(nogil=True)
def occupied(bits, m, planes, u_first, u_last, swapped):
    """Union of the cells along w that planes m … m + planes - 1 meet between two u; one bit each.

    `swapped`: the planes are those of b and u runs along a.
    """
    found = np.uint64(0)
    for plane in range(m >> 3, ((m + planes - 1) >> 3) + 1):
        for u in range(u_first >> 3, (u_last >> 3) + 1):
            found |= bits[u, plane] if swapped else bits[plane, u]
    return found


@njit(inline="always")
def between(first, last):
    """Bits first … last set."""
    every = ~np.uint64(0)
    return (every << np.uint64(first)) & (every >> np.uint64(63 - last))


@njit(nogil=True)
def step_gains(gains, rays, column, axis, gain, first, last):
    """Length [mm] of the rays of rows first:last between two planes of `axis`, times `gain`."""
    ray = np.empty(3)
    for r in range(first, last):
        for a in range(3):
            ray[a] = rays.end[0, a] - rays.start[0, a]
            ray[a] += r * (rays.end[1, a] - rays.start[1, a])
            ray[a] += column * (rays.end[2, a] - rays.start[2, a])
        squared = 0.0
        for a in range(3):
            for b in range(3):
                squared += ray[a] * rays.metric[a, b] * ray[b]
        gains[r] = np.sqrt(squared) / abs(ray[axis]) * gain


@njit(nogil=True)
def write_columns(out, sums, first, last):
    """Copy sums (columns, channels, rows) of a block to out (channels, rows, columns)."""
    for channel in range(out.shape[0]):
        for r in range(out.shape[1]):
            for c in range(first, last):
                out[channel, r, c] = sums[c - first, channel, r]
