"""Joseph's projector for views without tilt: one interpolation across, one gather along.

P. M. Joseph, "An improved algorithm for reprojecting rays through pixel images", IEEE TMI 1(3),
1982: step from plane to plane of the grid axis a ray runs along most, interpolate bilinearly
within each plane, weigh by the path between planes. Where the rows of the detector run along w,
all rays of a column cross a plane at the same u. So the two voxel columns beside it are
interpolated once, contiguously, and the rays read the result at places that lie evenly along w.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import LANES, PLANES, between, clip_range, occupied, step_gains, write_columns
from .packing import FLAG, LARGEST
from .wide import add_at, pair_at, value_at


@njit(nogil=True, fastmath=True)
def mix(line, at, values, near, far, first, last, weight_near, weight_far, bone):
    """line[at + w] = weighted sum of two voxel columns, first <= w < last; of their bone alone."""
    half = np.float32(0.5)
    if bone:
        for w in range(first, last):
            one = max(np.int32(value_at(values, near + w)) - np.int32(FLAG), np.int32(0))
            two = max(np.int32(value_at(values, far + w)) - np.int32(FLAG), np.int32(0))
            mixed = np.float32(one) * weight_near + np.float32(two) * weight_far
            line[at + w] = np.uint16(np.int32(mixed + half))
    else:
        for w in range(first, last):
            one = np.int32(value_at(values, near + w)) & np.int32(LARGEST)
            two = np.int32(value_at(values, far + w)) & np.int32(LARGEST)
            mixed = np.float32(one) * weight_near + np.float32(two) * weight_far
            line[at + w] = np.uint16(np.int32(mixed + half))


@njit(nogil=True, fastmath=True)
def read_along(sums, line, start, step, first, last):
    """sums[r] += line at start + step · r, linearly; for the blocks of rows first … last - 1."""
    for block in range(first, last):
        for lane in range(LANES):
            r = block * LANES + lane
            w = start + step * np.float32(r)
            below = np.int32(w)
            pair = pair_at(line, 0, below)
            low = np.float32(np.int32(pair & np.uint32(0xFFFF)))
            high = np.float32(np.int32(pair >> np.uint32(16)))
            add_at(sums, r, low + (w - np.float32(below)) * (high - low))


@njit(nogil=True)
def _mark_blocks(marks, bits, shift, length, one, two):
    """marks[block] = whether its rows meet an occupied cell; one, two: (start, step) of w(row)."""
    for block in range(len(marks)):
        r0, r1 = block * LANES, block * LANES + LANES - 1
        a, b = one[0] + one[1] * r0, one[0] + one[1] * r1
        c, d = two[0] + two[1] * r0, two[0] + two[1] * r1
        low, high = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
        marks[block] = False
        if high > 0.0 and low < length - 1.0:
            first = max(int(low), 0) >> shift
            last = min(int(high), length - 1) >> shift
            marks[block] = (bits & between(first, last)) != 0


@njit(nogil=True)
def _cross_plane(sums, line, pad, grid, marks, near, far, weights, along, bone):
    """Add one crossing to every marked block of rows."""
    start, step = along
    length = grid.counts[2]
    block = 0
    while block < len(marks):
        if not marks[block]:
            block += 1
            continue
        first = block
        while block < len(marks) and marks[block]:
            block += 1
        a = start + step * (first * LANES)
        b = start + step * (block * LANES - 1)
        low = min(max(int(np.floor(min(a, b))), 0), length)
        high = min(max(int(np.floor(max(a, b))) + 2, 0), length)
        mix(line, pad, grid.values, near, far, low, high, weights[0], weights[1], bone)
        read_along(sums, line, np.float32(start + pad), np.float32(step), first, block)


@njit(inline="always")
def _w_of_rows(rays, column, t):
    """Start and step of w(row) where the rays of a column have come the fraction t."""
    start = rays.start[0, 2] + column * rays.start[2, 2]
    end = rays.end[0, 2] + column * rays.end[2, 2]
    return start + t * (end - start), rays.start[1, 2] + t * (rays.end[1, 2] - rays.start[1, 2])


@njit(nogil=True)
def _column(sums, line, pad, marks, grid, rays, column, bones, scale):
    """Add every crossing of one detector column to sums (channels, rows); returns the axis."""
    origin = rays.start[0] + column * rays.start[2]
    ray = rays.end[0] + column * rays.end[2] - origin
    axis = 0 if abs(ray[0]) >= abs(ray[1]) else 1
    other = 1 - axis
    begin, end = clip_range(origin[other], ray[other], 0.0, grid.counts[other] - 2.0, 0.0, 1.0)
    begin, end = clip_range(origin[axis], ray[axis], 1.0, grid.counts[axis] - 3.0, begin, end)
    if begin > end:
        return axis
    one, two = origin[axis] + begin * ray[axis], origin[axis] + end * ray[axis]
    stop = int(np.floor(max(one, two) + 1e-9)) + 1
    m = int(np.ceil(min(one, two) - 1e-9))
    slope = ray[other] / ray[axis]
    while m < stop:
        after = min((m // PLANES + 1) * PLANES, stop)
        u0 = origin[other] + (m - origin[axis]) * slope
        u1 = origin[other] + (after - 1 - origin[axis]) * slope
        cells = (max(int(min(u0, u1)), 0), min(int(max(u0, u1)), grid.counts[other] - 2))
        near_rows = _w_of_rows(rays, column, (m - origin[axis]) / ray[axis])
        far_rows = _w_of_rows(rays, column, (after - 1 - origin[axis]) / ray[axis])
        for channel in range(len(bones)):
            table = grid.bone if bones[channel] else grid.filled
            bits = occupied(table, m, after - m, cells[0], cells[1], axis == 1)
            if bits == 0:
                continue
            _mark_blocks(marks, bits, grid.shift, grid.counts[2], near_rows, far_rows)
            for plane in range(m, after):
                u = origin[other] + (plane - origin[axis]) * slope
                left = min(max(int(u), 0), grid.counts[other] - 2)
                near = plane * grid.strides[axis] + left * grid.strides[other]
                part = min(max(u - left, 0.0), 1.0)
                weights = (np.float32((1.0 - part) * scale), np.float32(part * scale))
                along = _w_of_rows(rays, column, (plane - origin[axis]) / ray[axis])
                far = near + grid.strides[other]
                _cross_plane(
                    sums[channel], line, pad, grid, marks, near, far, weights, along, bones[channel]
                )
        m = after
    return axis


@njit(nogil=True, cache=True)
def project_separable(out, first, last, grid, rays, bones, scale, gain):
    """Fill columns first:last of out (channels, rows, columns) float32 with line integrals.

    bones (channels,) bool: whether a channel is bone alone or everything. Values are worked on
    times `scale` in 16 bits; out is in units of value · mm · gain.
    """
    rows = out.shape[1]
    blocks = -(-rows // LANES)
    steepest = max(abs(rays.start[1, 2]), abs(rays.end[1, 2]))
    pad = int(np.ceil(steepest * LANES)) + 2
    line = np.zeros(grid.counts[2] + 2 * pad + 2, np.uint16)
    sums = np.zeros((last - first, out.shape[0], blocks * LANES), np.float32)
    marks = np.empty(blocks, np.bool_)
    gains = np.empty(rows)
    for c in range(first, last):
        axis = _column(sums[c - first], line, pad, marks, grid, rays, c, bones, scale)
        step_gains(gains, rays, c, axis, gain / scale, 0, rows)
        for channel in range(out.shape[0]):
            for r in range(rows):
                sums[c - first, channel, r] *= np.float32(gains[r])
    write_columns(out, sums, first, last)
