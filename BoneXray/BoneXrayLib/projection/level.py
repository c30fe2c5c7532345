"""Joseph's projector for rays that keep to one w: the localizer, and parallel views without tilt.

All rays of a detector column then run through the same voxel columns with the same weights. So the
voxel columns are added up whole, contiguously, and each row reads the sum once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import between, clip_range, occupied, step_gains, write_columns
from .packing import FLAG, LARGEST
from .wide import value_at


@njit(nogil=True, fastmath=True)
def _add_columns(line, values, near, far, first, last, weight_near, weight_far, bone):
    """line[w] += weighted sum of two voxel columns, first <= w < last; or of their bone alone."""
    if bone:
        for w in range(first, last):
            one = max(np.int32(value_at(values, near + w)) - np.int32(FLAG), np.int32(0))
            two = max(np.int32(value_at(values, far + w)) - np.int32(FLAG), np.int32(0))
            line[w] += np.float32(one) * weight_near + np.float32(two) * weight_far
    else:
        for w in range(first, last):
            one = np.int32(value_at(values, near + w)) & np.int32(LARGEST)
            two = np.int32(value_at(values, far + w)) & np.int32(LARGEST)
            line[w] += np.float32(one) * weight_near + np.float32(two) * weight_far


@njit(nogil=True)
def _add_occupied(line, grid, bits, near, far, weights, bone):
    """Add two voxel columns wherever a run of cells is occupied."""
    size = 1 << grid.shift
    cells = -(-grid.counts[2] // size)
    cell = 0
    while cell < cells:
        first = cell
        while cell < cells and bits & between(cell, cell) != 0:
            cell += 1
        if cell > first:
            last = min(cell * size, grid.counts[2])
            args = (line, grid.values, near, far, first * size, last)
            _add_columns(*args, weights[0], weights[1], bone)
        cell += 1


@njit(nogil=True)
def _column(lines, grid, rays, column, bones):
    """Add up the voxel columns below one detector column: lines (channels, w); returns the axis."""
    origin = rays.start[0] + column * rays.start[2]
    ray = rays.end[0] + column * rays.end[2] - origin
    axis = 0 if abs(ray[0]) >= abs(ray[1]) else 1
    other = 1 - axis
    begin, end = clip_range(origin[other], ray[other], 0.0, grid.counts[other] - 2.0, 0.0, 1.0)
    begin, end = clip_range(origin[axis], ray[axis], 1.0, grid.counts[axis] - 3.0, begin, end)
    if begin > end:
        return axis
    one, two = origin[axis] + begin * ray[axis], origin[axis] + end * ray[axis]
    for m in range(int(np.ceil(min(one, two) - 1e-9)), int(np.floor(max(one, two) + 1e-9)) + 1):
        u = origin[other] + (m - origin[axis]) * ray[other] / ray[axis]
        left = min(max(int(u), 0), grid.counts[other] - 2)
        part = min(max(u - left, 0.0), 1.0)
        near = m * grid.strides[axis] + left * grid.strides[other]
        far = near + grid.strides[other]
        weights = (np.float32(1.0 - part), np.float32(part))
        for channel in range(len(bones)):
            table = grid.bone if bones[channel] else grid.filled
            bits = occupied(table, m, 1, left, left, axis == 1)
            if bits != 0:
                _add_occupied(lines[channel], grid, bits, near, far, weights, bones[channel])
    return axis


@njit(nogil=True, cache=True)
def project_level(out, first, last, grid, rays, bones, gain):
    """Fill columns first:last of out as `project_separable` does."""
    rows = out.shape[1]
    length = grid.counts[2]
    lines = np.empty((out.shape[0], length), np.float32)
    sums = np.zeros((last - first, out.shape[0], rows), np.float32)
    gains = np.empty(rows)
    for c in range(first, last):
        lines[:] = 0.0
        axis = _column(lines, grid, rays, c, bones)
        step_gains(gains, rays, c, axis, gain, 0, rows)
        for r in range(rows):
            w = rays.start[0, 2] + r * rays.start[1, 2] + c * rays.start[2, 2]
            if w <= 0.0 or w >= length - 1.0:
                continue
            below = int(w)
            part = w - below
            for channel in range(out.shape[0]):
                read = (1.0 - part) * lines[channel, below] + part * lines[channel, below + 1]
                sums[c - first, channel, r] = read * gains[r]
    write_columns(out, sums, first, last)
