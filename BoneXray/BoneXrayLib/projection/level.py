"""Joseph's projector for rays that keep to one w: the localizer, and parallel views without tilt.

All rays of a detector column then run through the same voxel columns with the same weights. So the
voxel columns are added up whole, contiguously, and each row reads the sum once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import between, column_path, occupied, step_gains, write_columns
from .packing import LARGEST, bone_of
from .wide import add_at, table_at


@njit(nogil=True, fastmath=True)
def _add_columns(line, values, near, far, first, last, weight_near, weight_far, bone):
    """line[w] += weighted sum of two voxel columns, first <= w < last; or of their bone alone."""
    if bone:
        for w in range(first, last):
            one, two = bone_of(table_at(values, near + w)), bone_of(table_at(values, far + w))
            add_at(line, w, np.float32(one) * weight_near + np.float32(two) * weight_far)
    else:
        for w in range(first, last):
            one = np.int32(table_at(values, near + w)) & np.int32(LARGEST)
            two = np.int32(table_at(values, far + w)) & np.int32(LARGEST)
            add_at(line, w, np.float32(one) * weight_near + np.float32(two) * weight_far)


@njit(nogil=True)
def _add_occupied(line, values, shift, length, bits, near, far, weights, bone):
    """Add two voxel columns wherever a run of cells is occupied."""
    cells = ((length - 1) >> shift) + 1
    cell = 0
    while cell < cells:
        first = cell
        while cell < cells and bits & between(cell, cell) != 0:
            cell += 1
        if cell > first:
            low, high = first << shift, min(cell << shift, length)
            _add_columns(line, values, near, far, low, high, weights[0], weights[1], bone)
        cell += 1


@njit(nogil=True)
def _column(line, values, bits, shape, path, bone):
    """Add up the voxel columns that a detector column meets; shape: counts, strides, shift."""
    counts, strides, shift = shape
    axis, first, last, at, slope = path
    other = 1 - axis
    for m in range(first, last):
        u = at + m * slope
        left = min(max(int(u), 0), counts[other] - 2)
        part = min(max(u - left, 0.0), 1.0)
        near = m * strides[axis] + left * strides[other]
        weights = (np.float32(1.0 - part), np.float32(part))
        found = occupied(bits, int(bone), m, 1, left, left, axis == 1)
        if found != 0:
            far = near + strides[other]
            _add_occupied(line, values, shift, counts[2], found, near, far, weights, bone)


@njit(nogil=True, cache=True)
def project_level(out, first, last, grid, rays, bones, gain):
    """Fill columns first:last of out as `project_separable` does."""
    channels, rows = out.shape[:2]
    line = np.empty(grid.counts[2], np.float32)
    sums = np.zeros((last - first, channels, rows), np.float32)
    gains = np.empty((last - first, rows), np.float32)
    shape = (grid.counts, grid.strides, grid.shift)
    for c in range(first, last):
        path = column_path(grid.counts, rays, c)
        step_gains(gains[c - first], rays, c, path[0], gain, 0, rows)
        step = rays.start[1, 2]
        start = rays.start[0, 2] + c * rays.start[2, 2]
        for channel in range(channels):
            line[:] = 0.0
            _column(line, grid.values, grid.bits, shape, path, bones[channel])
            for r in range(rows):
                w = start + r * step
                if 0.0 < w < len(line) - 1.0:
                    below = int(w)
                    part = w - below
                    sums[c - first, channel, r] = (1 - part) * line[below] + part * line[below + 1]
    write_columns(out, sums, gains, first, last)
