"""Joseph's projector for any pose: every sample looks its four voxels up, a vector of rays at once.

A vector holds neighbouring rows of one detector column, so its rays meet a plane close together.
Two of a sample's voxels lie side by side along w and come with one load. `separable.py` names the
method's source.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import LANES, PLANES, between, occupied, step_gains, write_columns
from .packing import FLAG, LARGEST
from .segments import SEGMENT, Segment, block_planes, choose_axis, set_rays
from .wide import add_at, pair_at, table_at


@njit(forceinline=True, fastmath=True)
def _share(half, bone):
    """A packed value as float32: all of it, or only if it is bone."""
    if bone:
        return np.float32(max(np.int32(half) - np.int32(FLAG), np.int32(0)))
    return np.float32(np.int32(half) & np.int32(LARGEST))


@njit(forceinline=True, fastmath=True)
def _sample(values, base, u, v, limits, bone, paired):
    """What a ray meets at (u, v) in the plane that starts at values[base].

    limits: largest u and v within the rim, strides of u and v. Clamping to the rim of air makes
    every index valid, and adds nothing.
    """
    u_top, v_top, u_stride, v_stride = limits
    zero, mask, half = np.float32(0.0), np.uint32(0xFFFF), np.uint32(16)
    u, v = min(max(u, zero), u_top), min(max(v, zero), v_top)
    iu, iv = np.int32(u), np.int32(v)
    at = np.int32(iu * u_stride + iv * v_stride)
    across = np.int32(at + u_stride)
    one, two = pair_at(values, base, at), pair_at(values, base, across)
    if paired:
        one_next, two_next = one >> half, two >> half
    else:
        one_next = pair_at(values, base, np.int32(at + v_stride))
        two_next = pair_at(values, base, np.int32(across + v_stride))
    part = v - np.float32(iv)
    a, b = _share(one & mask, bone), _share(two & mask, bone)
    a += part * (_share(one_next & mask, bone) - a)
    b += part * (_share(two_next & mask, bone) - b)
    return a + (u - np.float32(iu)) * (b - a)


@njit(nogil=True, fastmath=True)
def _full_block(sums, values, bases, r0, middle, u, u_step, v, v_step, limits):
    """Add planes of everything to one vector of rows; bases: first, stop and distance of planes."""
    for m in range(bases[0], bases[1]):
        plane = np.float32(m - middle)
        for r in range(r0, r0 + LANES):
            at_u = table_at(u, r) + plane * table_at(u_step, r)
            at_v = table_at(v, r) + plane * table_at(v_step, r)
            add_at(sums, r, _sample(values, m * bases[2], at_u, at_v, limits, False, True))


@njit(nogil=True, fastmath=True)
def _bone_block(sums, values, bases, r0, middle, u, u_step, v, v_step, limits):
    """As `_full_block`, of bone alone."""
    for m in range(bases[0], bases[1]):
        plane = np.float32(m - middle)
        for r in range(r0, r0 + LANES):
            at_u = table_at(u, r) + plane * table_at(u_step, r)
            at_v = table_at(v, r) + plane * table_at(v_step, r)
            add_at(sums, r, _sample(values, m * bases[2], at_u, at_v, limits, True, True))


@njit(nogil=True, fastmath=True)
def _steep_rows(sums, values, bases, rows, middle, u, u_step, v, v_step, limits, bone):
    """As these, for any rows (first, stop) and rays along w too; slower."""
    for m in range(bases[0], bases[1]):
        plane = np.float32(m - middle)
        for r in range(rows[0], rows[1]):
            at_u = table_at(u, r) + plane * table_at(u_step, r)
            at_v = table_at(v, r) + plane * table_at(v_step, r)
            add_at(sums, r, _sample(values, m * bases[2], at_u, at_v, limits, bone, False))


@njit(nogil=True)
def _block(sums, r0, first, last, stride, segment, values, bone):
    """Add planes first … last - 1 to the rows of one vector, each within its own limits."""
    core_first, core_last = first, last
    for r in range(r0, r0 + LANES):
        core_first = max(core_first, segment.first[r])
        core_last = min(core_last, segment.last[r] + 1)
    tops = segment.u_top[0], segment.v_top[0]
    limits = (tops[0], tops[1], segment.u_stride[0], segment.v_stride[0])
    middle = segment.middle[0]
    u, u_step, v, v_step = segment.u, segment.u_step, segment.v, segment.v_step
    bases = (core_first, core_last, stride)
    if core_first >= core_last:
        core_first = core_last = first
    elif limits[3] != 1:
        rows = (r0, r0 + LANES)
        _steep_rows(sums, values, bases, rows, middle, u, u_step, v, v_step, limits, bone)
    elif bone:
        _bone_block(sums, values, bases, r0, middle, u, u_step, v, v_step, limits)
    else:
        _full_block(sums, values, bases, r0, middle, u, u_step, v, v_step, limits)
    if core_first == first and core_last == last:
        return
    for r in range(r0, r0 + LANES):
        one, two = max(first, segment.first[r]), min(last, segment.last[r] + 1)
        for bases in ((one, min(two, core_first), stride), (max(one, core_last), two, stride)):
            rows = (r, r + 1)
            _steep_rows(sums, values, bases, rows, middle, u, u_step, v, v_step, limits, bone)


@njit(nogil=True)
def _is_occupied(bits, shift, segment, axis, r0, m, after):
    """Whether the rows of a vector meet an occupied cell in planes m … after - 1."""
    u_low = v_low = np.inf
    u_high = v_high = -np.inf
    for r in (r0, r0 + LANES - 1):
        for plane in (m - segment.middle[0], after - 1 - segment.middle[0]):
            u = segment.u[r] + plane * segment.u_step[r]
            v = segment.v[r] + plane * segment.v_step[r]
            u_low, u_high = min(u_low, u), max(u_high, u)
            v_low, v_high = min(v_low, v), max(v_high, v)
    if u_high <= 0 or v_high <= 0 or u_low >= segment.u_top[0] or v_low >= segment.v_top[0]:
        return False
    u0, u1 = int(max(u_low, 0)), int(min(u_high, segment.u_top[0]))
    v0, v1 = int(max(v_low, 0)), int(min(v_high, segment.v_top[0]))
    if axis < 2:
        return (occupied(bits, m, after - m, u0, u1, axis == 1) & between(v0 >> shift, v1 >> shift)) != 0
    along = between(m >> shift, (after - 1) >> shift)
    return (occupied(bits, u0, u1 - u0 + 1, v0, v1, False) & along) != 0


@njit(nogil=True)
def _segment(sums, first_row, last_row, grid, segment, axis, bones):
    """Add all planes to the rows of one segment."""
    blocks = range(first_row, last_row, LANES)
    low, high = block_planes(segment, first_row, last_row, grid.counts[axis])
    m = low
    while m <= high:
        after = min((m // PLANES + 1) * PLANES, high + 1)
        for r0 in blocks:
            for channel in range(len(bones)):
                table = grid.bone if bones[channel] else grid.filled
                if _is_occupied(table, grid.shift, segment, axis, r0, m, after):
                    args = (sums[channel], r0, m, after, grid.strides[axis], segment)
                    _block(*args, grid.values, bones[channel])
        m = after


@njit(nogil=True, cache=True)
def project_any(out, first, last, grid, rays, bones, gain):
    """Fill columns first:last of out as `project_separable` does."""
    rows = out.shape[1]
    room = -(-rows // LANES) * LANES
    sums = np.zeros((last - first, out.shape[0], room), np.float32)
    segment = Segment(
        np.empty(room, np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(1, np.int64),
        np.empty(1, np.float32),
        np.empty(1, np.float32),
        np.empty(1, np.int32),
        np.empty(1, np.int32),
    )
    gains = np.empty(room)
    for c in range(first, last):
        for first_row in range(0, room, SEGMENT):
            last_row = min(first_row + SEGMENT, room)
            axis = choose_axis(rays, 0.5 * (first_row + last_row - 1), c)
            set_rays(segment, first_row, last_row, rows, grid, rays, c, axis)
            _segment(sums[c - first], first_row, last_row, grid, segment, axis, bones)
            step_gains(gains, rays, c, axis, gain, first_row, last_row)
        for channel in range(out.shape[0]):
            for r in range(rows):
                sums[c - first, channel, r] *= np.float32(gains[r])
    write_columns(out, sums, first, last)
