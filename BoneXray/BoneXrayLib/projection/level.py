"""Joseph's projector for rays that keep to one w: the localizer, and parallel views without tilt.

All rays of a detector column then run through the same voxel columns with the same weights. So the
voxel columns are added up whole, contiguously, and each row reads the sum once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import PLANES, column_path, crossing, occupied, step_gains, write_columns
from .packing import LARGEST, bone_of
from .wide import add_at, table_at


@njit(forceinline=True, fastmath=True)
def _pair(values, near, far, w, weights, bone):
    """Weighted sum of the voxels at w in two voxel columns, or of their bone alone."""
    one, two = table_at(values, near + w), table_at(values, far + w)
    if bone:
        one, two = bone_of(one), bone_of(two)
    else:
        one, two = np.int32(one) & np.int32(LARGEST), np.int32(two) & np.int32(LARGEST)
    return np.float32(one) * weights[0] + np.float32(two) * weights[1]


@njit(nogil=True, fastmath=True)
def _add_columns(line, values, crossings, first, last, bone):
    """line[w] += what two planes hold there, first <= w < last; or their bone alone.

    crossings: near and far voxel column and their weights, of both planes.
    """
    (near, far, weights), (near_next, far_next, weights_next) = crossings
    if bone:
        for w in range(first, last):
            mixed = _pair(values, near, far, w, weights, True)
            add_at(line, w, mixed + _pair(values, near_next, far_next, w, weights_next, True))
    else:
        for w in range(first, last):
            mixed = _pair(values, near, far, w, weights, False)
            add_at(line, w, mixed + _pair(values, near_next, far_next, w, weights_next, False))


@njit(nogil=True)
def _find_runs(runs, bits, shift, length):
    """Fill runs (n, 2) with first w and stop of each run of occupied cells; returns how many."""
    number, inside = 0, False
    for cell in range(((length - 1) >> shift) + 1):
        met = (bits >> np.uint64(cell)) & np.uint64(1) != 0
        if met and not inside:
            runs[number, 0] = cell << shift
        elif inside and not met:
            runs[number, 1] = cell << shift
            number += 1
        inside = met
    if inside:
        runs[number, 1] = length
        number += 1
    return number


@njit(nogil=True)
def _add_planes(line, values, runs, number, planes, shape, path, bone):
    """Add the voxel columns of planes[0]:planes[1] wherever they are occupied."""
    counts, strides, _ = shape
    axis, _, _, at, slope = path
    none = np.float32(0.0)
    for plane in range(planes[0], planes[1], 2):
        one = crossing(plane, axis, at, slope, counts, strides, 1.0)
        two = (one[0], one[1], (none, none))
        if plane + 1 < planes[1]:
            two = crossing(plane + 1, axis, at, slope, counts, strides, 1.0)
        for n in range(number):
            _add_columns(line, values, (one, two), runs[n, 0], runs[n, 1], bone)


@njit(nogil=True)
def _slab(line, runs, values, bits, shape, path, slab, bone):
    """Add up the voxel columns that a detector column meets in the planes of one row of cells."""
    counts, _, shift = shape
    axis, first, stop, at, slope = path
    m, after = max(first, slab * PLANES), min(stop, (slab + 1) * PLANES)
    if m >= after:
        return
    one, two = at + m * slope, at + (after - 1) * slope
    low, high = max(int(min(one, two)), 0), min(int(max(one, two)), counts[1 - axis] - 2)
    found = occupied(bits, int(bone), m, after - m, low, high, axis == 1)
    if found != 0:
        number = _find_runs(runs, found, shift, counts[2])
        _add_planes(line, values, runs, number, (m, after), shape, path, bone)


@njit(nogil=True, cache=True)
def project_level(out, first, last, grid, rays, bones, gain):
    """Fill columns first:last of out as `project_separable` does.

    Neighbouring detector columns meet the same voxel columns: they take turns, a slab at a time.
    """
    channels, rows = out.shape[:2]
    length = grid.counts[2]
    lines = np.empty((last - first, length), np.float32)
    sums = np.zeros((last - first, channels, rows), np.float32)
    gains = np.empty((last - first, rows), np.float32)
    runs = np.empty((64, 2), np.int64)
    shape = (grid.counts, grid.strides, grid.shift)
    values, bits = grid.values, grid.bits
    for channel in range(channels):
        lines[:] = 0.0
        for slab in range(-(-max(grid.counts[0], grid.counts[1]) // PLANES)):
            for c in range(first, last):
                path = column_path(grid.counts, rays, c)
                _slab(lines[c - first], runs, values, bits, shape, path, slab, bones[channel])
        for c in range(first, last):
            start, step = rays.start[0, 2] + c * rays.start[2, 2], rays.start[1, 2]
            line = lines[c - first]
            for r in range(rows):
                w = start + r * step
                if 0.0 < w < length - 1.0:
                    below = int(w)
                    part = w - below
                    sums[c - first, channel, r] = (1 - part) * line[below] + part * line[below + 1]
    for c in range(first, last):
        axis = column_path(grid.counts, rays, c)[0]
        step_gains(gains[c - first], rays, c, axis, gain, 0, rows)
    write_columns(out, sums, gains, first, last)
