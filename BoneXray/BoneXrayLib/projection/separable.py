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

from .grid import (
    LANES,
    PLANES,
    between,
    column_path,
    crossing,
    occupied,
    reach_along,
    step_gains,
    write_columns,
)
from .packing import LARGEST, bone_of
from .wide import add_at, pair_at, put_at, value_at


@njit(nogil=True, fastmath=True)
def mix(line, at, values, near, far, first, last, weight_near, weight_far, bone):
    """line[at + w] = weighted sum of two voxel columns, first <= w < last; of their bone alone."""
    half = np.float32(0.5)
    if bone:
        for w in range(first, last):
            one = bone_of(value_at(values, near + w))
            two = bone_of(value_at(values, far + w))
            mixed = np.float32(one) * weight_near + np.float32(two) * weight_far
            put_at(line, at + w, np.uint16(np.int32(mixed + half)))
    else:
        for w in range(first, last):
            one = np.int32(value_at(values, near + w)) & np.int32(LARGEST)
            two = np.int32(value_at(values, far + w)) & np.int32(LARGEST)
            mixed = np.float32(one) * weight_near + np.float32(two) * weight_far
            put_at(line, at + w, np.uint16(np.int32(mixed + half)))


@njit(nogil=True, fastmath=True)
def read_along(sums, at, line, start, step, first, last):
    """sums[at + r] += line at start + step · r, linearly; for vectors of rows first:last."""
    for block in range(first, last):
        for lane in range(LANES):
            r = block * LANES + lane
            w = start + step * np.float32(r)
            below = np.int32(w)
            pair = pair_at(line, 0, below)
            low = np.float32(np.int32(pair & np.uint32(0xFFFF)))
            high = np.float32(np.int32(pair >> np.uint32(16)))
            add_at(sums, at + r, low + (w - np.float32(below)) * (high - low))


@njit(nogil=True)
def find_runs(runs, bits, shift, length, one, two):
    """Runs of vectors of rows that meet an occupied cell; one, two: (start, step) of w(row).

    Fills runs (n, 2) with the first vector and the one after the last; returns how many.
    """
    number, inside = 0, False
    for block in range(len(runs)):
        r0, r1 = block * LANES, block * LANES + LANES - 1
        a, b = one[0] + one[1] * r0, one[0] + one[1] * r1
        c, d = two[0] + two[1] * r0, two[0] + two[1] * r1
        low, high = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
        met = False
        if high > 0.0 and low < length - 1.0:
            first = max(int(low), 0) >> shift
            last = min(int(high), length - 1) >> shift
            met = (bits & between(first, last)) != 0
        if met and not inside:
            runs[number, 0] = block
        elif inside and not met:
            runs[number, 1] = block
            number += 1
        inside = met
    if inside:
        runs[number, 1] = len(runs)
        number += 1
    return number


@njit(nogil=True)
def _add_planes(sums, line, values, runs, number, planes, shape, path, rise, bone, scale):
    """Add planes[0]:planes[1] of one detector column to every run of rows."""
    counts, strides, _, pad = shape
    axis, _, _, at, slope = path
    length = counts[2]
    for plane in range(planes[0], planes[1]):
        near, far, weights = crossing(plane, axis, at, slope, counts, strides, scale)
        start, step = rise[0] + plane * rise[2], rise[1] + plane * rise[3]
        for n in range(number):
            first, last = runs[n, 0], runs[n, 1]
            low, high = reach_along(start, step, first, last, pad, length)
            mix(line, pad, values, near, far, low, high, weights[0], weights[1], bone)
            read_along(sums, 0, line, np.float32(start + pad), np.float32(step), first, last)


@njit(nogil=True)
def _column(sums, line, runs, values, bits, shape, path, rise, bone, scale):
    """Add every crossing of one detector column to its rows.

    shape: counts, strides and shift of the grid, rim of `line`. rise: w of row 0 and its step a
    row in plane 0, and what a plane adds to both.
    """
    counts, shift = shape[0], shape[2]
    axis, m, stop, at, slope = path
    while m < stop:
        after = min((m // PLANES + 1) * PLANES, stop)
        one, two = at + m * slope, at + (after - 1) * slope
        low, high = max(int(min(one, two)), 0), min(int(max(one, two)), counts[1 - axis] - 2)
        found = occupied(bits, int(bone), m, after - m, low, high, axis == 1)
        if found != 0:
            before = (rise[0] + m * rise[2], rise[1] + m * rise[3])
            behind = (rise[0] + (after - 1) * rise[2], rise[1] + (after - 1) * rise[3])
            number = find_runs(runs, found, shift, counts[2], before, behind)
            planes = (m, after)
            _add_planes(sums, line, values, runs, number, planes, shape, path, rise, bone, scale)
        m = after


@njit(nogil=True)
def rise_of(rays, column, axis):
    """w of row 0 and its step a row where a column's rays meet plane 0, and both a plane on."""
    start, end = rays.start, rays.end
    origin = start[0, axis] + column * start[2, axis]
    run = end[0, axis] + column * end[2, axis] - origin
    w = start[0, 2] + column * start[2, 2]
    w_plane = (end[0, 2] + column * end[2, 2] - w) / run
    step_plane = (end[1, 2] - start[1, 2]) / run
    return w - origin * w_plane, start[1, 2] - origin * step_plane, w_plane, step_plane


@njit(nogil=True, cache=True)
def project_separable(out, first, last, grid, rays, bones, scale, gain):
    """Fill columns first:last of out (channels, rows, columns) float32 with line integrals.

    bones (channels,) bool: whether a channel is bone alone or everything. Values are worked on
    times `scale` in 16 bits; out is in units of value · mm · gain.
    """
    channels, rows = out.shape[:2]
    blocks = -(-rows // LANES)
    pad = int(np.ceil(max(abs(rays.start[1, 2]), abs(rays.end[1, 2])) * LANES)) + 2
    line = np.zeros(grid.counts[2] + 2 * pad + 2, np.uint16)
    sums = np.zeros((last - first, channels, blocks * LANES), np.float32)
    runs = np.empty((blocks, 2), np.int64)
    gains = np.empty((last - first, rows), np.float32)
    shape = (grid.counts, grid.strides, grid.shift, pad)
    values, bits = grid.values, grid.bits
    for c in range(first, last):
        path = column_path(grid.counts, rays, c)
        rise = rise_of(rays, c, path[0])
        for channel in range(channels):
            to, bone = sums[c - first, channel], bones[channel]
            _column(to, line, runs, values, bits, shape, path, rise, bone, scale)
        step_gains(gains[c - first], rays, c, path[0], gain / scale, 0, rows)
    write_columns(out, sums, gains, first, last)
