"""A stretch of rows of one detector column, for `gather.py`: which axis, where each ray is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .grid import clip_range

SEGMENT = 64
"""After so many rows the axis they are stepped along is chosen anew."""


class Frame(NamedTuple):
    """The planes that rays are stepped through, and u and v within them: numbers only.

    u and v count from the rim; `tops` are the largest that have a neighbour. Strides are distances
    in memory; `middle` is the plane that rays are given at.
    """

    axis: int
    count: int
    middle: int
    stride: int
    u_top: np.float32
    v_top: np.float32
    u_stride: np.int32
    v_stride: np.int32


@njit(inline="always")
def _along(ends, row, column, a):
    return ends[0, a] + row * ends[1, a] + column * ends[2, a]


@njit(nogil=True)
def longest_axis(rays, row, column):
    """The axis along which a ray crosses the most planes."""
    axis, longest = 0, -1.0
    for a in range(3):
        run = abs(_along(rays.end, row, column, a) - _along(rays.start, row, column, a))
        if run > longest:
            axis, longest = a, run
    return axis


@njit(nogil=True)
def choose_frame(counts, strides, rays, row, column):
    """Planes of a ray's longest axis."""
    axis = longest_axis(rays, row, column)
    u, v = (1 if axis == 0 else 0), (1 if axis == 2 else 2)
    return Frame(
        axis,
        counts[axis],
        counts[axis] // 2,
        strides[axis],
        np.float32(counts[u] - 2),
        np.float32(counts[v] - 2),
        np.int32(strides[u]),
        np.int32(strides[v]),
    )


@njit(nogil=True)
def set_rays(lines, limits, span, rows, frame, rays, column):
    """Describe the rays of rows span[0]:span[1]; rows past the detector's last repeat it.

    lines (4 · room,) float32: u in the middle plane of every row, its steps a plane, v, its steps.
    limits (2 · room,): first and last plane between source and detector.
    """
    room = len(limits) // 2
    axis = frame.axis
    for r in range(span[0], span[1]):
        row = min(r, rows - 1)
        start = _along(rays.start, row, column, axis)
        run = _along(rays.end, row, column, axis) - start
        for n in range(2):
            a = (1 if axis == 0 else 0) if n == 0 else (1 if axis == 2 else 2)
            begin = _along(rays.start, row, column, a)
            slope = (_along(rays.end, row, column, a) - begin) / run
            lines[2 * n * room + r] = begin + (frame.middle - start) * slope
            lines[(2 * n + 1) * room + r] = slope
        low, high = min(start, start + run), max(start, start + run)
        limits[r] = int(np.ceil(max(low, 1.0) - 1e-9))
        limits[room + r] = int(np.floor(min(high, frame.count - 3.0) + 1e-9))


@njit(nogil=True)
def met_planes(lines, limits, span, frame):
    """First and last plane that any ray of a segment meets inside the grid."""
    low, high = frame.count, -1
    room = len(limits) // 2
    for r in range(span[0], span[1]):
        begin, end = float(limits[r] - frame.middle), float(limits[room + r] - frame.middle)
        u, u_step = lines[r], lines[room + r]
        v, v_step = lines[2 * room + r], lines[3 * room + r]
        begin, end = clip_range(u, u_step, 0.0, frame.u_top, begin, end)
        begin, end = clip_range(v, v_step, 0.0, frame.v_top, begin, end)
        if begin <= end:
            low = min(low, int(np.floor(begin)) + frame.middle)
            high = max(high, int(np.ceil(end)) + frame.middle)
    return max(low, 1), min(high, frame.count - 3)
