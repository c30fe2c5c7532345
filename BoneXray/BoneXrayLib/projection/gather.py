"""Joseph's projector for any pose: every sample looks its four voxels up, a vector of rays at once.

A vector holds neighbouring rows of one detector column, so its rays meet a plane close together.
Two of a sample's voxels lie side by side along w and come with one load. `separable.py` names the
method's source.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .grid import LANES, between, occupied, step_gains, write_columns
from .packing import LARGEST, bone_of
from .segments import SEGMENT, choose_frame, longest_axis, met_planes, set_rays
from .wide import add_at, pair_at, table_at

STRIDE = 16
"""Planes between two looks at which cells are empty."""


@njit(forceinline=True, fastmath=True)
def _share(half, bone):
    """A packed value as float32: all of it, or only if it is bone."""
    if bone:
        return np.float32(bone_of(half))
    return np.float32(np.int32(half) & np.int32(LARGEST))


@njit(forceinline=True, fastmath=True)
def _sample(values, base, u, v, frame, bone, paired):
    """What a ray meets at (u, v) in the plane that starts at values[base].

    Clamping to the rim of air makes every index valid, and adds nothing.
    """
    zero, mask, half = np.float32(0.0), np.uint32(0xFFFF), np.uint32(16)
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
    part = v - np.float32(iv)
    a, b = _share(one & mask, bone), _share(two & mask, bone)
    a += part * (_share(one_next & mask, bone) - a)
    b += part * (_share(two_next & mask, bone) - b)
    return a + (u - np.float32(iu)) * (b - a)


@njit(forceinline=True, fastmath=True)
def _add(sums, at, values, lines, room, r, m, frame, bone, paired):
    """Add what row r's ray meets in plane m to sums[at + r]."""
    plane = np.float32(m - frame.middle)
    u = table_at(lines, r) + plane * table_at(lines, room + r)
    v = table_at(lines, 2 * room + r) + plane * table_at(lines, 3 * room + r)
    add_at(sums, at + r, _sample(values, m * frame.stride, u, v, frame, bone, paired))


@njit(nogil=True, fastmath=True)
def _add_block(sums, at, values, lines, room, r0, planes, frame, bone):
    """Add planes[0]:planes[1] to the rows of one vector."""
    if frame.v_stride != 1:
        _add_rows(sums, at, values, lines, room, (r0, r0 + LANES), planes, frame, bone)
    elif bone:
        for m in range(planes[0], planes[1]):
            for lane in range(LANES):
                _add(sums, at, values, lines, room, r0 + lane, m, frame, True, True)
    else:
        for m in range(planes[0], planes[1]):
            for lane in range(LANES):
                _add(sums, at, values, lines, room, r0 + lane, m, frame, False, True)


@njit(nogil=True, fastmath=True)
def _add_rows(sums, at, values, lines, room, rows, planes, frame, bone):
    """As `_add_block` for any rows, and where v does not run along w; slower."""
    for m in range(planes[0], planes[1]):
        for r in range(rows[0], rows[1]):
            _add(sums, at, values, lines, room, r, m, frame, bone, False)


@njit(nogil=True)
def add_limited(sums, at, values, lines, limits, r0, first, last, frame, bone):
    """Add planes first:last to the rows of one vector, each within its own limits."""
    room = len(limits) // 2
    core_first, core_last = first, last
    for r in range(r0, r0 + LANES):
        core_first = max(core_first, limits[r])
        core_last = min(core_last, limits[room + r] + 1)
    if core_first < core_last:
        core = (core_first, core_last)
        _add_block(sums, at, values, lines, room, r0, core, frame, bone)
    else:
        core_first = core_last = first
    if core_first == first and core_last == last:
        return
    for r in range(r0, r0 + LANES):
        one, two = max(first, limits[r]), min(last, limits[room + r] + 1)
        before, after = (one, min(two, core_first)), (max(one, core_last), two)
        _add_rows(sums, at, values, lines, room, (r, r + 1), before, frame, bone)
        _add_rows(sums, at, values, lines, room, (r, r + 1), after, frame, bone)


@njit(nogil=True)
def is_occupied(bits, kind, shift, lines, r0, m, after, frame):
    """Whether the rows of a vector meet an occupied cell in planes m … after - 1."""
    room = len(lines) // 4
    u_low = v_low = np.inf
    u_high = v_high = -np.inf
    for r in (r0, r0 + LANES - 1):
        for plane in (m - frame.middle, after - 1 - frame.middle):
            u = lines[r] + plane * lines[room + r]
            v = lines[2 * room + r] + plane * lines[3 * room + r]
            u_low, u_high = min(u_low, u), max(u_high, u)
            v_low, v_high = min(v_low, v), max(v_high, v)
    if u_high <= 0 or v_high <= 0 or u_low >= frame.u_top or v_low >= frame.v_top:
        return False
    u0, u1 = int(max(u_low, 0)), int(min(u_high, frame.u_top))
    v0, v1 = int(max(v_low, 0)), int(min(v_high, frame.v_top))
    if frame.axis < 2:
        found = occupied(bits, kind, m, after - m, u0, u1, frame.axis == 1)
        return (found & between(v0 >> shift, v1 >> shift)) != 0
    found = occupied(bits, kind, u0, u1 - u0 + 1, v0, v1, False)
    return (found & between(m >> shift, (after - 1) >> shift)) != 0


@njit(nogil=True)
def _segment(sums, at, values, bits, shift, lines, limits, span, frame, bones):
    """Add all planes to the rows span[0]:span[1]; channels lie a room apart from sums[at] on."""
    room = len(limits) // 2
    m, high = met_planes(lines, limits, span, frame)
    core_first, core_last = limits[span[0] : span[1]].max(), high
    for r in range(span[0], span[1]):
        core_last = min(core_last, limits[room + r])
    while m <= high:
        after = min((m // STRIDE + 1) * STRIDE, high + 1)
        whole = m >= core_first and after <= core_last + 1
        for r0 in range(span[0], span[1], LANES):
            for channel in range(len(bones)):
                bone = bones[channel]
                if is_occupied(bits, int(bone), shift, lines, r0, m, after, frame):
                    to = at + channel * room
                    if whole:
                        _add_block(sums, to, values, lines, room, r0, (m, after), frame, bone)
                    else:
                        add_limited(sums, to, values, lines, limits, r0, m, after, frame, bone)
        m = after


@njit(nogil=True, cache=True)
def project_any(out, first, last, grid, rays, bones, gain):
    """Fill columns first:last of out as `project_separable` does."""
    channels, rows = out.shape[:2]
    room = -(-rows // LANES) * LANES
    sums = np.zeros((last - first) * channels * room, np.float32)
    lines, limits = np.empty(4 * room, np.float32), np.empty(2 * room, np.int64)
    gains = np.empty((last - first, room), np.float32)
    values, bits, shift = grid.values, grid.bits, grid.shift
    for c in range(first, last):
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
            at = (c - first) * channels * room
            _segment(sums, at, values, bits, shift, lines, limits, span, frame, bones)
            step_gains(gains[c - first], rays, c, frame.axis, gain, span[0], span[1])
    write_columns(out, sums.reshape((last - first, channels, room)), gains, first, last)
