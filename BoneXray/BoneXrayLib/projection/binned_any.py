"""`binned.py` for any pose: wide bins a vector of rays at a time, listed voxels one by one."""

from __future__ import annotations

import numpy as np
from numba import njit

from .binned import write_above
from .gather import is_occupied
from .grid import LANES, PLANES, step_gains
from .packing import LARGEST
from .segments import SEGMENT, choose_frame, longest_axis, met_planes, set_rays
from .sparse import FINE, MARGIN
from .wide import add_at, note_at, pair_at, table_at, value_at


@njit(forceinline=True, fastmath=True)
def _four(values, base, u, v, frame, paired):
    """The four voxels around (u, v) in the plane that starts at values[base], and the parts."""
    zero, mask, half = np.float32(0.0), np.uint32(LARGEST), np.uint32(16)
    u, v = min(max(u, zero), frame.u_top), min(max(v, zero), frame.v_top)
    iu, iv = np.int32(u), np.int32(v)
    at = np.int32(iu * frame.u_stride + iv * frame.v_stride)
    across = np.int32(at + frame.u_stride)
    one, two = pair_at(values, base, at), pair_at(values, base, across)
    if paired:
        one_next, two_next = one >> half, two >> half
    else:
        one_next = pair_at(values, base, np.int32(at + frame.v_stride))
        two_next = pair_at(values, base, np.int32(across + frame.v_stride))
    four = (
        np.int32(one & mask),
        np.int32(one_next & mask),
        np.int32(two & mask),
        np.int32(two_next & mask),
    )
    return four, u - np.float32(iu), v - np.float32(iv)


@njit(forceinline=True, fastmath=True)
def _where(lines, room, r, plane):
    u = table_at(lines, r) + plane * table_at(lines, room + r)
    return u, table_at(lines, 2 * room + r) + plane * table_at(lines, 3 * room + r)


@njit(forceinline=True, fastmath=True)
def _share(value, low, high):
    return np.float32(value if low <= value < high else np.int32(0))


@njit(forceinline=True, fastmath=True)
def _add_bin(sums, at, values, lines, limits, r0, planes, frame, bounds, paired):
    """Add what planes[0]:planes[1] hold of one bin to the rows of one vector."""
    room = len(lines) // 4
    low, high = np.int32(bounds[0]), np.int32(bounds[1])
    for m in range(planes[0], planes[1]):
        plane, here = np.float32(m - frame.middle), np.float32(m)
        for lane in range(LANES):
            r = r0 + lane
            u, v = _where(lines, room, r, plane)
            four, part_u, part_v = _four(values, m * frame.stride, u, v, frame, paired)
            a, b = _share(four[0], low, high), _share(four[2], low, high)
            a += part_v * (_share(four[1], low, high) - a)
            b += part_v * (_share(four[3], low, high) - b)
            inside = (table_at(limits, r) <= here) & (here <= table_at(limits, room + r))
            add_at(sums, at + r, a + part_u * (b - a) if inside else np.float32(0.0))


@njit(forceinline=True, fastmath=True)
def _sort(sums, r, values, base, u, v, frame, places, paired):
    """Add those of a sample's four voxels that are listed to their bins."""
    four, part_u, part_v = _four(values, base, u, v, frame, paired)
    one = np.float32(1.0)
    parts = (
        (one - part_u) * (one - part_v),
        (one - part_u) * part_v,
        part_u * (one - part_v),
        part_u * part_v,
    )
    for n in range(4):
        if four[n] >= FINE:
            at = value_at(places, four[n]) + r
            add_at(sums, at, parts[n] * np.float32(four[n]))


@njit(forceinline=True, fastmath=True)
def _sort_block(sums, most, values, lines, limits, r0, planes, frame, places, paired):
    """Add the listed voxels that the rows of one vector meet in planes[0]:planes[1]."""
    room = len(lines) // 4
    for m in range(planes[0], planes[1]):
        plane, here, base = np.float32(m - frame.middle), np.float32(m), m * frame.stride
        largest = np.int32(0)
        for lane in range(LANES):
            u, v = _where(lines, room, r0 + lane, plane)
            four, _, _ = _four(values, base, u, v, frame, paired)
            found = max(max(four[0], four[1]), max(four[2], four[3]))
            note_at(most, lane, found)
            largest = max(largest, found)
        if largest < FINE:
            continue
        for lane in range(LANES):
            r = r0 + lane
            if most[lane] >= FINE and limits[r] <= here <= limits[room + r]:
                u, v = _where(lines, room, r, plane)
                _sort(sums, MARGIN + r, values, base, u, v, frame, places, paired)


@njit(nogil=True, fastmath=True)
def _block(sums, most, values, lines, limits, r0, planes, frame, where):
    """Add one bin, or else the listed voxels, to the rows of one vector."""
    chosen, at, bounds, places = where
    if chosen and frame.v_stride == 1:
        _add_bin(sums, at, values, lines, limits, r0, planes, frame, bounds, True)
    elif chosen:
        _add_bin(sums, at, values, lines, limits, r0, planes, frame, bounds, False)
    elif frame.v_stride == 1:
        _sort_block(sums, most, values, lines, limits, r0, planes, frame, places, True)
    else:
        _sort_block(sums, most, values, lines, limits, r0, planes, frame, places, False)


@njit(nogil=True)
def _segment(sums, most, values, shift, lines, limits, span, frame, bins):
    """Add all planes to the rows span[0]:span[1]; bins lie `room` apart."""
    m, stop = met_planes(lines, limits, span, frame)
    near, starts, room = limits.astype(np.float32), bins.starts, bins.room
    while m <= stop:
        after = min((m // PLANES + 1) * PLANES, stop + 1)
        planes = (m, after)
        for r0 in range(span[0], span[1], LANES):
            for n in range(len(bins.bits)):
                if is_occupied(bins.bits, n, shift, lines, r0, m, after, frame):
                    wide, at = n < len(starts) - 1, n * room + MARGIN
                    bounds = (starts[n], starts[n + 1] if wide else starts[n])
                    where = (wide, at, bounds, bins.places)
                    _block(sums, most, values, lines, near, r0, planes, frame, where)
        m = after


@njit(nogil=True, cache=True)
def bin_any(out, lengths, first, last, grid, rays, bins, gain):
    """Fill columns first:last of out as `bin_separable` does."""
    edges, rows = out.shape[1:]
    padded = -(-rows // LANES) * LANES
    room = bins.room
    sums, total = np.empty((edges + 1) * room, np.float32), np.empty(rows, np.float32)
    lines, limits = np.empty(4 * padded, np.float32), np.zeros(2 * padded, np.int64)
    gains, most = np.empty(padded, np.float32), np.empty(LANES, np.int32)
    values, shift = grid.values, grid.shift
    for c in range(first, last):
        sums[:] = 0.0
        stop = 0
        while stop < padded:
            start = stop
            frame = choose_frame(grid.counts, grid.strides, rays, start, c)
            axis = frame.axis
            while stop < padded and axis == frame.axis:
                stop = min(stop + SEGMENT, padded)
                axis = longest_axis(rays, stop, c)
            span = (start, stop)
            set_rays(lines, limits, span, rows, frame, rays, c)
            _segment(sums, most, values, shift, lines, limits, span, frame, bins)
            step_gains(gains, rays, c, frame.axis, gain, start, stop)
        lengths[c] = gains[:rows]
        write_above(out[c], sums, total, lengths[c], room, len(bins.starts) - 1)
