"""Kernels that sort every sample's voxels into bins of HU while they project.

Most of a body is one or few bins over a stretch of rays: such stretches are worked on whole, a
bin at a time, as `separable.py` and `gather.py` do. What is left is sorted voxel by voxel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import LANES, PLANES, column_path, crossing, reach_along, step_gains
from .packing import LARGEST
from .separable import read_along, rise_of
from .wide import add_at, put_at, value_at

FEW = 2
"""Up to so many bins a stretch is worked on bin by bin."""

FINE = 1100
"""From this value up, bins are narrow and voxels few: then they are sorted one by one."""


@njit(nogil=True, fastmath=True)
def _mix_range(line, at, values, near, far, span, weight_near, weight_far, low, high):
    """line[at + w] = weighted sum of two voxel columns, of values low … high - 1 alone."""
    half, none = np.float32(0.5), np.int32(0)
    for w in range(span[0], span[1]):
        one = np.int32(value_at(values, near + w)) & np.int32(LARGEST)
        two = np.int32(value_at(values, far + w)) & np.int32(LARGEST)
        one = one if low <= one < high else none
        two = two if low <= two < high else none
        mixed = np.float32(one) * weight_near + np.float32(two) * weight_far
        put_at(line, at + w, np.uint16(np.int32(mixed + half)))


@njit(nogil=True, fastmath=True)
def _sort_voxels(sums, room, values, columns, weights, span, rows, along, least, table):
    """Add every voxel of `least` and more in two voxel columns to its bin, in the rows it reaches.

    Such voxels are few. A voxel reaches the rows whose w lies less than one from its own.
    """
    start, step = along
    near, far = columns
    inverse = 1.0 / step
    reach = abs(inverse)
    least = np.int32(least)
    for w in range(span[0], span[1]):
        one = np.int32(value_at(values, near + w)) & np.int32(LARGEST)
        two = np.int32(value_at(values, far + w)) & np.int32(LARGEST)
        if max(one, two) < least:
            continue
        middle = (w - start) * inverse
        first = max(int(np.ceil(middle - reach)), rows[0])
        last = min(int(np.floor(middle + reach)) + 1, rows[1])
        to_one = value_at(table, one) * room if one >= least else -1
        to_two = value_at(table, two) * room if two >= least else -1
        value_one, value_two = weights[0] * np.float32(one), weights[1] * np.float32(two)
        for r in range(first, last):
            share = np.float32(1.0 - abs(start + step * r - w))
            if share <= np.float32(0.0):
                continue
            if to_one >= 0:
                add_at(sums, to_one + r, share * value_one)
            if to_two >= 0:
                add_at(sums, to_two + r, share * value_two)


@njit(nogil=True)
def _bins_along(low, high, cells, plane, u_first, u_last, swapped):
    """Lowest and highest bin of each cell along w, over the cells from u_first to u_last."""
    low[:] = 255
    high[:] = 0
    for u in range(u_first >> 3, (u_last >> 3) + 1):
        a, b = (u, plane >> 3) if swapped else (plane >> 3, u)
        for w in range(len(low)):
            low[w] = min(low[w], cells[0, a, b, w])
            high[w] = max(high[w], cells[1, a, b, w])


@njit(nogil=True)
def _find_stretches(found, low, high, shift, length, one, two, rows):
    """Stretches of rows that meet the same bins: found (n, 4) first vector, stop, lowest, highest.

    Returns how many there are. Those that meet bin 0 alone are left out.
    """
    number = 0
    for block in range(rows):
        r0, r1 = block * LANES, block * LANES + LANES - 1
        a, b = one[0] + one[1] * r0, one[0] + one[1] * r1
        c, d = two[0] + two[1] * r0, two[0] + two[1] * r1
        least, most = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
        if most <= 0.0 or least >= length - 1.0:
            continue
        lowest, highest = 255, 0
        first, last = max(int(least), 0) >> shift, min(int(most), length - 1) >> shift
        for cell in range(first, last + 1):
            lowest, highest = min(lowest, int(low[cell])), max(highest, int(high[cell]))
        if highest == 0:
            continue
        lowest = max(lowest, 1)
        before = number - 1
        same = number > 0 and found[before, 1] == block
        if same and found[before, 2] == lowest and found[before, 3] == highest:
            found[before, 1] = block + 1
            continue
        found[number, 0], found[number, 1] = block, block + 1
        found[number, 2], found[number, 3] = lowest, highest
        number += 1
    return number


@njit(nogil=True)
def _add_planes(sums, line, values, found, number, planes, shape, path, rise, starts, table, scale):
    """Add planes[0]:planes[1] of one detector column to every stretch of rows."""
    counts, strides, _, pad, room, fine = shape
    axis, _, _, at, slope = path
    for plane in range(planes[0], planes[1]):
        near, far, weights = crossing(plane, axis, at, slope, counts, strides, scale)
        start, step = rise[0] + plane * rise[2], rise[1] + plane * rise[3]
        for n in range(number):
            first, last, low, high = found[n, 0], found[n, 1], found[n, 2], found[n, 3]
            span = reach_along(start, step, first, last, pad, counts[2])
            stop = high + 1
            if high - low >= FEW and high >= fine and step != 0.0:
                stop = max(fine, low)
                rows, columns, along = (first * LANES, last * LANES), (near, far), (start, step)
                least = starts[stop]
                _sort_voxels(sums, room, values, columns, weights, span, rows, along, least, table)
            w0, w1 = weights
            for chosen in range(low, stop):
                least, most = np.int32(starts[chosen]), np.int32(starts[chosen + 1])
                _mix_range(line, pad, values, near, far, span, w0, w1, least, most)
                w, to = np.float32(start + pad), chosen * room
                read_along(sums, to, line, w, np.float32(step), first, last)


@njit(nogil=True)
def _column(sums, line, found, low, high, values, cells, shape, path, rise, starts, table, scale):
    """Add every crossing of one detector column to its rows and bins, as `separable.py` does."""
    counts, shift, room = shape[0], shape[2], shape[4]
    axis, m, stop, at, slope = path
    while m < stop:
        after = min((m // PLANES + 1) * PLANES, stop)
        one, two = at + m * slope, at + (after - 1) * slope
        u0, u1 = max(int(min(one, two)), 0), min(int(max(one, two)), counts[1 - axis] - 2)
        _bins_along(low, high, cells, m, u0, u1, axis == 1)
        before = (rise[0] + m * rise[2], rise[1] + m * rise[3])
        behind = (rise[0] + (after - 1) * rise[2], rise[1] + (after - 1) * rise[3])
        rows = room // LANES
        number = _find_stretches(found, low, high, shift, counts[2], before, behind, rows)
        if number > 0:
            planes = (m, after)
            _add_planes(
                sums, line, values, found, number, planes, shape, path, rise, starts, table, scale
            )
        m = after


@njit(nogil=True)
def write_above(out, sums, gains, room, first, last):
    """out[e, r, c] = sum of the bins from e + 1 up, times the gain of the row.

    sums (columns, bins · room); out (edges, rows, columns), one edge less than bins.
    """
    edges, rows = out.shape[:2]
    for c in range(last - first):
        for e in range(edges - 1, 0, -1):
            for r in range(rows):
                sums[c, e * room + r] += sums[c, (e + 1) * room + r]
    for e in range(edges):
        for r in range(rows):
            for c in range(first, last):
                out[e, r, c] = sums[c - first, (e + 1) * room + r] * gains[c - first, r]


@njit(nogil=True, cache=True)
def bin_separable(out, first, last, grid, rays, cells, starts, table, scale, gain):
    """Fill columns first:last of out (edges, rows, columns): what lies at and above each edge.

    starts (bins + 1,) int32: first value of each bin, edges + 1 of them, and the end. table
    (LARGEST + 1,) uint8: the bin of each value. cells (2, cells a, b, w) uint8: lowest and highest
    bin in each. The rest as `project_separable`.
    """
    rows = out.shape[1]
    room = -(-rows // LANES) * LANES
    pad = int(np.ceil(max(abs(rays.start[1, 2]), abs(rays.end[1, 2])) * LANES)) + 2
    line = np.zeros(grid.counts[2] + 2 * pad + 2, np.uint16)
    found = np.empty((room // LANES, 4), np.int64)
    low, high = np.empty(cells.shape[3], np.uint8), np.empty(cells.shape[3], np.uint8)
    sums = np.zeros((last - first, (len(starts) - 1) * room), np.float32)
    gains = np.empty((last - first, rows), np.float32)
    fine = int(table[FINE])
    shape = (grid.counts, grid.strides, grid.shift, pad, room, fine)
    for c in range(first, last):
        path = column_path(grid.counts, rays, c)
        rise, to, values = rise_of(rays, c, path[0]), sums[c - first], grid.values
        _column(to, line, found, low, high, values, cells, shape, path, rise, starts, table, scale)
        step_gains(gains[c - first], rays, c, path[0], gain / scale, 0, rows)
    write_above(out, sums, gains, room, first, last)
