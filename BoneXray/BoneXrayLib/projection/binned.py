"""Kernels that sort every sample's voxels into bins of HU while they project.

Most of a body is one or few bins over a stretch of rays: such stretches are worked on whole, a
bin at a time, as `separable.py` and `gather.py` do. What is left is sorted voxel by voxel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import LANES, PLANES, column_path, step_gains
from .packing import LARGEST
from .separable import read_along, rise_of
from .wide import add_at, put_at, value_at

FEW = 2
"""Up to so many bins a stretch is worked on bin by bin."""


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
def _sort_rows(sums, room, values, near, far, first, last, weights, along, table, length):
    """Add the four voxels of each row's sample to their bins; bin 0 is dropped."""
    start, step = along
    for r in range(first, last):
        w = start + step * r
        if w <= 0.0 or w >= length - 1.0:
            continue
        below = int(w)
        part = np.float32(w - below)
        for side in range(2):
            at = (near if side == 0 else far) + below
            weight = weights[0] if side == 0 else weights[1]
            one = np.int32(value_at(values, at)) & np.int32(LARGEST)
            two = np.int32(value_at(values, at + 1)) & np.int32(LARGEST)
            bin_one, bin_two = value_at(table, one), value_at(table, two)
            if bin_one == bin_two:
                if bin_one > 0:
                    mixed = np.float32(one) + part * np.float32(two - one)
                    add_at(sums, bin_one * room + r, weight * mixed)
                continue
            if bin_one > 0:
                share = weight * (np.float32(1.0) - part)
                add_at(sums, bin_one * room + r, share * np.float32(one))
            if bin_two > 0:
                add_at(sums, bin_two * room + r, weight * part * np.float32(two))


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
        if number > 0 and found[before, 1] == block and found[before, 2] == lowest:
            if found[before, 3] == highest:
                found[before, 1] = block + 1
                continue
        found[number, 0], found[number, 1] = block, block + 1
        found[number, 2], found[number, 3] = lowest, highest
        number += 1
    return number


@njit(nogil=True)
def _add_plane(sums, line, values, found, span, columns, weights, along, starts, table):
    """Add one crossing to every stretch; span: rim of line, length of w, stretches, rows."""
    start, step = along
    pad, length, number, room = span
    near, far = columns
    for n in range(number):
        first, last, low, high = found[n, 0], found[n, 1], found[n, 2], found[n, 3]
        if high - low >= FEW:
            r0, r1 = first * LANES, last * LANES
            _sort_rows(sums, room, values, near, far, r0, r1, weights, along, table, length)
            continue
        a = start + step * (first * LANES)
        b = start + step * (last * LANES - 1)
        begin = min(max(int(min(a, b) + pad) - pad, 0), length)
        end = min(max(int(max(a, b) + pad) - pad + 2, 0), length)
        for chosen in range(low, high + 1):
            least, most = np.int32(starts[chosen]), np.int32(starts[chosen + 1])
            w0, w1 = weights
            _mix_range(line, pad, values, near, far, (begin, end), w0, w1, least, most)
            to = chosen * room
            read_along(sums, to, line, np.float32(start + pad), np.float32(step), first, last)


@njit(nogil=True)
def _column(sums, line, found, low, high, values, cells, shape, path, rise, starts, table, scale):
    """Add every crossing of one detector column to its rows and bins, as `separable.py` does."""
    counts, strides, shift, pad, room = shape
    axis, m, stop, at, slope = path
    other = 1 - axis
    while m < stop:
        after = min((m // PLANES + 1) * PLANES, stop)
        one, two = at + m * slope, at + (after - 1) * slope
        u0, u1 = max(int(min(one, two)), 0), min(int(max(one, two)), counts[other] - 2)
        _bins_along(low, high, cells, m, u0, u1, axis == 1)
        before = (rise[0] + m * rise[2], rise[1] + m * rise[3])
        behind = (rise[0] + (after - 1) * rise[2], rise[1] + (after - 1) * rise[3])
        rows = room // LANES
        number = _find_stretches(found, low, high, shift, counts[2], before, behind, rows)
        for plane in range(m, after):
            u = at + plane * slope
            left = min(max(int(u), 0), counts[other] - 2)
            near = plane * strides[axis] + left * strides[other]
            part = min(max(u - left, 0.0), 1.0)
            weights = (np.float32((1.0 - part) * scale), np.float32(part * scale))
            along = (rise[0] + plane * rise[2], rise[1] + plane * rise[3])
            span, columns = (pad, counts[2], number, room), (near, near + strides[other])
            _add_plane(sums, line, values, found, span, columns, weights, along, starts, table)
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
    shape = (grid.counts, grid.strides, grid.shift, pad, room)
    for c in range(first, last):
        path = column_path(grid.counts, rays, c)
        rise, to, values = rise_of(rays, c, path[0]), sums[c - first], grid.values
        _column(to, line, found, low, high, values, cells, shape, path, rise, starts, table, scale)
        step_gains(gains[c - first], rays, c, path[0], gain / scale, 0, rows)
    write_above(out, sums, gains, room, first, last)
