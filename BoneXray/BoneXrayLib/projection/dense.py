"""Wide bins, where most voxels are: whole stretches of rays at a time, as `separable.py` does."""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import PLANES, crossing, occupied, reach_along
from .packing import LARGEST
from .separable import find_runs, read_along
from .wide import put_at, value_at


@njit(nogil=True, fastmath=True)
def _mix_range(line, at, values, columns, span, weights, low, high):
    """line[at + w] = weighted sum of two voxel columns, of values low … high - 1 alone."""
    half, none = np.float32(0.5), np.int32(0)
    for w in range(span[0], span[1]):
        one = np.int32(value_at(values, columns[0] + w)) & np.int32(LARGEST)
        two = np.int32(value_at(values, columns[1] + w)) & np.int32(LARGEST)
        one = one if low <= one < high else none
        two = two if low <= two < high else none
        mixed = np.float32(one) * weights[0] + np.float32(two) * weights[1]
        put_at(line, at + w, np.uint16(np.int32(mixed + half)))


@njit(nogil=True)
def _add_planes(sums, at, line, values, runs, planes, shape, path, rise, limits, scale):
    """Add what planes[0]:planes[1] of one detector column hold of a bin to every run of rows."""
    counts, strides, _, pad = shape
    axis, _, _, u, slope = path
    low, high = np.int32(limits[0]), np.int32(limits[1])
    for plane in range(planes[0], planes[1]):
        near, far, weights = crossing(plane, axis, u, slope, counts, strides, scale)
        start, step = rise[0] + plane * rise[2], rise[1] + plane * rise[3]
        for n in range(len(runs)):
            first, last = runs[n, 0], runs[n, 1]
            span = reach_along(start, step, first, last, pad, counts[2])
            _mix_range(line, pad, values, (near, far), span, weights, low, high)
            read_along(sums, at, line, np.float32(start + pad), np.float32(step), first, last)


@njit(nogil=True)
def add_bin(sums, at, line, runs, values, bits, chosen, shape, path, rise, limits, scale):
    """Add every crossing of one detector column to the rows of one bin.

    limits: first value of the bin, and of the next. bits (bins, cells a, cells b) uint64: a bit a
    cell along w that may hold some of the bin.
    """
    counts, shift = shape[0], shape[2]
    axis, m, stop, u, slope = path
    while m < stop:
        after = min((m // PLANES + 1) * PLANES, stop)
        one, two = u + m * slope, u + (after - 1) * slope
        low, high = max(int(min(one, two)), 0), min(int(max(one, two)), counts[1 - axis] - 2)
        found = occupied(bits, chosen, m, after - m, low, high, axis == 1)
        if found != 0:
            before = (rise[0] + m * rise[2], rise[1] + m * rise[3])
            behind = (rise[0] + (after - 1) * rise[2], rise[1] + (after - 1) * rise[3])
            number = find_runs(runs, found, shift, counts[2], before, behind)
            met, planes = runs[:number], (m, after)
            _add_planes(sums, at, line, values, met, planes, shape, path, rise, limits, scale)
        m = after
