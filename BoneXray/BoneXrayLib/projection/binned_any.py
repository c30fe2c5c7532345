"""`binned.py` for any pose: the same sorting of voxels into bins, sample by sample."""

from __future__ import annotations

import numpy as np
from numba import njit

from .binned import write_above
from .gather import add_limited
from .grid import LANES, PLANES, step_gains
from .packing import LARGEST
from .segments import SEGMENT, choose_frame, longest_axis, met_planes, set_rays
from .wide import add_at, value_at


@njit(forceinline=True)
def _sort(sums, room, r, value, weight, table):
    """Add one voxel to its bin; bin 0 is dropped."""
    found = np.int32(value) & np.int32(LARGEST)
    chosen = value_at(table, found)
    if chosen > 0:
        add_at(sums, chosen * room + r, weight * np.float32(found))


@njit(nogil=True, fastmath=True)
def _sort_block(sums, values, lines, limits, r0, first, last, frame, table):
    """Add planes first:last to the bins of the rows of one vector."""
    room = len(limits) // 2
    for m in range(first, last):
        plane = np.float32(m - frame.middle)
        base = m * frame.stride
        for r in range(r0, r0 + LANES):
            u = lines[r] + plane * lines[room + r]
            v = lines[2 * room + r] + plane * lines[3 * room + r]
            if m < limits[r] or m > limits[room + r] or u <= 0 or v <= 0:
                continue
            if u >= frame.u_top or v >= frame.v_top:
                continue
            iu, iv = int(u), int(v)
            fu, fv = np.float32(u - np.float32(iu)), np.float32(v - np.float32(iv))
            gu, gv = np.float32(1.0) - fu, np.float32(1.0) - fv
            at = base + iu * frame.u_stride + iv * frame.v_stride
            far = at + frame.u_stride
            _sort(sums, room, r, value_at(values, at), gu * gv, table)
            _sort(sums, room, r, value_at(values, at + frame.v_stride), gu * fv, table)
            _sort(sums, room, r, value_at(values, far), fu * gv, table)
            _sort(sums, room, r, value_at(values, far + frame.v_stride), fu * fv, table)


@njit(nogil=True)
def _bins_of(cells, shift, lines, room, r0, m, after, frame):
    """Lowest and highest bin that the rows of a vector meet in planes m … after - 1."""
    u_low = v_low = np.inf
    u_high = v_high = -np.inf
    for r in (r0, r0 + LANES - 1):
        for plane in (m - frame.middle, after - 1 - frame.middle):
            u = lines[r] + plane * lines[room + r]
            v = lines[2 * room + r] + plane * lines[3 * room + r]
            u_low, u_high = min(u_low, u), max(u_high, u)
            v_low, v_high = min(v_low, v), max(v_high, v)
    if u_high <= 0 or v_high <= 0 or u_low >= frame.u_top or v_low >= frame.v_top:
        return 0, 0
    us = (int(max(u_low, 0)), int(min(u_high, frame.u_top)))
    vs = (int(max(v_low, 0)), int(min(v_high, frame.v_top)))
    ms = (m, after - 1)
    if frame.axis == 0:
        a, b, w = ms, us, vs
    elif frame.axis == 1:
        a, b, w = us, ms, vs
    else:
        a, b, w = us, vs, ms
    low, high = 255, 0
    for i in range(a[0] >> 3, (a[1] >> 3) + 1):
        for j in range(b[0] >> 3, (b[1] >> 3) + 1):
            for k in range(w[0] >> shift, (w[1] >> shift) + 1):
                low = min(low, int(cells[0, i, j, k]))
                high = max(high, int(cells[1, i, j, k]))
    return low, high


@njit(nogil=True)
def _segment(sums, values, cells, shift, lines, limits, span, frame, table):
    """Add all planes to the rows span[0]:span[1]."""
    room = len(limits) // 2
    m, stop = met_planes(lines, limits, span, frame)
    while m <= stop:
        after = min((m // PLANES + 1) * PLANES, stop + 1)
        for r0 in range(span[0], span[1], LANES):
            low, high = _bins_of(cells, shift, lines, room, r0, m, after, frame)
            if high > 0 and low == high:
                at = high * room
                add_limited(sums, at, values, lines, limits, r0, m, after, frame, False)
            elif high > 0:
                _sort_block(sums, values, lines, limits, r0, m, after, frame, table)
        m = after


@njit(nogil=True, cache=True)
def bin_any(out, first, last, grid, rays, cells, starts, table, gain):
    """Fill columns first:last of out as `bin_separable` does."""
    rows = out.shape[1]
    room = -(-rows // LANES) * LANES
    sums = np.zeros((last - first, (len(starts) - 1) * room), np.float32)
    lines, limits = np.empty(4 * room, np.float32), np.empty(2 * room, np.int64)
    gains = np.empty((last - first, room), np.float32)
    values, shift = grid.values, grid.shift
    for c in range(first, last):
        to = sums[c - first]
        stop = 0
        while stop < room:
            start = stop
            frame = choose_frame(grid.counts, grid.strides, rays, start, c)
            axis = frame.axis
            while stop < room and axis == frame.axis:
                stop = min(stop + SEGMENT, room)
                axis = longest_axis(rays, stop, c)
            span = (start, stop)
            set_rays(lines, limits, span, rows, frame, rays, c)
            _segment(to, values, cells, shift, lines, limits, span, frame, table)
            step_gains(gains[c - first], rays, c, frame.axis, gain, start, stop)
    write_above(out, sums, gains, room, first, last)
