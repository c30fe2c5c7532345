"""What every kernel needs: the packed grid, where its planes cross a ray, which cells matter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

LANES = 16
"""Rows of the detector that are worked on together."""

PLANES = 8
"""Planes of the grid between two looks at which cells are empty: one cell."""


class Grid(NamedTuple):
    """A `PackedVolume` as kernels take it, flat."""

    values: np.ndarray
    strides: tuple[int, int, int]
    counts: tuple[int, int, int]
    shift: int
    bits: np.ndarray
    """(2, cells a, cells b) uint64, a bit a cell along w: anything but air there; bone there."""


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
def occupied(bits, kind, m, planes, u_first, u_last, swapped):
    """Union of the cells along w that planes m … m + planes - 1 meet between two u; one bit each.

    kind: 0 anything, 1 bone. `swapped`: the planes are those of b and u runs along a.
    """
    found = np.uint64(0)
    for plane in range(m >> 3, ((m + planes - 1) >> 3) + 1):
        for u in range(u_first >> 3, (u_last >> 3) + 1):
            found |= bits[kind, u, plane] if swapped else bits[kind, plane, u]
    return found


@njit(inline="always")
def between(first, last):
    """Bits first … last set."""
    every = ~np.uint64(0)
    return (every << np.uint64(first)) & (every >> np.uint64(63 - last))


@njit(nogil=True)
def column_path(counts, rays, column):
    """How the rays of a column whose rows run along w cross the planes of a grid.

    Returns:
        The axis, first plane and stop, u in plane 0 and its step a plane.
    """
    origin = rays.start[0] + column * rays.start[2]
    ray = rays.end[0] + column * rays.end[2] - origin
    axis = 0 if abs(ray[0]) >= abs(ray[1]) else 1
    other = 1 - axis
    slope = ray[other] / ray[axis]
    begin, end = clip_range(origin[other], ray[other], 0.0, counts[other] - 2.0, 0.0, 1.0)
    begin, end = clip_range(origin[axis], ray[axis], 1.0, counts[axis] - 3.0, begin, end)
    at = origin[other] - origin[axis] * slope
    if begin > end:
        return axis, 0, 0, at, slope
    one, two = origin[axis] + begin * ray[axis], origin[axis] + end * ray[axis]
    first = int(np.ceil(min(one, two) - 1e-9))
    return axis, first, int(np.floor(max(one, two) + 1e-9)) + 1, at, slope


@njit(inline="always")
def crossing(plane, axis, at, slope, counts, strides, scale):
    """Where a column's rays cross a plane: both voxel columns in memory and their weights."""
    other = 1 - axis
    u = at + plane * slope
    left = min(max(int(u), 0), counts[other] - 2)
    near = plane * strides[axis] + left * strides[other]
    part = min(max(u - left, 0.0), 1.0)
    weights = (np.float32((1.0 - part) * scale), np.float32(part * scale))
    return near, near + strides[other], weights


@njit(inline="always")
def reach_along(start, step, first, last, pad, length):
    """The w that vectors of rows first:last read, within the grid."""
    a = start + step * (first * LANES)
    b = start + step * (last * LANES - 1)
    low = min(max(int(min(a, b) + pad) - pad, 0), length)
    return low, min(max(int(max(a, b) + pad) - pad + 2, 0), length)


@njit(nogil=True)
def step_gains(gains, rays, column, axis, gain, first, last):
    """Length [mm] of the rays of rows first:last between two planes of `axis`, times `gain`."""
    ray = np.empty(3)
    start, end, metric = rays.start, rays.end, rays.metric
    for r in range(first, last):
        for a in range(3):
            ray[a] = end[0, a] - start[0, a] + r * (end[1, a] - start[1, a])
            ray[a] += column * (end[2, a] - start[2, a])
        squared = 0.0
        for a in range(3):
            for b in range(3):
                squared += ray[a] * metric[a, b] * ray[b]
        gains[r] = np.sqrt(squared) / abs(ray[axis]) * gain


@njit(nogil=True)
def write_columns(out, sums, gains, first, last):
    """out (channels, rows, columns) = sums (columns, channels, rows) of a block times gains."""
    for channel in range(out.shape[0]):
        for r in range(out.shape[1]):
            for c in range(first, last):
                out[channel, r, c] = sums[c - first, channel, r] * gains[c - first, r]
