"""A stretch of rows of one detector column, for `gather.py`: which axis, where each ray is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .grid import clip_range

SEGMENT = 64
"""Rows that share the choice of the axis they are stepped along."""


class Segment(NamedTuple):
    """Rays by row: u and v [voxels] in plane `middle` and their steps a plane, float32.

    first and last: the planes between source and detector. The rest are arrays of one number: the
    largest u and v within the rim, and how far neighbours along u and v lie apart in memory.
    """

    u: np.ndarray
    u_step: np.ndarray
    v: np.ndarray
    v_step: np.ndarray
    first: np.ndarray
    last: np.ndarray
    middle: np.ndarray
    u_top: np.ndarray
    v_top: np.ndarray
    u_stride: np.ndarray
    v_stride: np.ndarray


@njit(inline="always")
def _along(ends, row, column, a):
    return ends[0, a] + row * ends[1, a] + column * ends[2, a]


@njit(nogil=True)
def choose_axis(rays, row, column):
    """The axis along which a ray crosses the most planes."""
    best, longest = 0, -1.0
    for a in range(3):
        run = abs(_along(rays.end, row, column, a) - _along(rays.start, row, column, a))
        if run > longest:
            best, longest = a, run
    return best


@njit(nogil=True)
def set_rays(segment, first_row, last_row, rows, grid, rays, column, axis):
    """Fill a segment; rows past the detector's last repeat it."""
    other = 1 if axis == 0 else 0
    third = 1 if axis == 2 else 2
    middle = grid.counts[axis] // 2
    segment.middle[0] = middle
    segment.u_top[0] = grid.counts[other] - 2
    segment.v_top[0] = grid.counts[third] - 2
    segment.u_stride[0] = grid.strides[other]
    segment.v_stride[0] = grid.strides[third]
    for r in range(first_row, last_row):
        row = min(r, rows - 1)
        start = _along(rays.start, row, column, axis)
        run = _along(rays.end, row, column, axis) - start
        for a in (other, third):
            begin = _along(rays.start, row, column, a)
            slope = (_along(rays.end, row, column, a) - begin) / run
            at = begin + (middle - start) * slope
            if a == other:
                segment.u[r], segment.u_step[r] = at, slope
            else:
                segment.v[r], segment.v_step[r] = at, slope
        low, high = min(start, start + run), max(start, start + run)
        segment.first[r] = int(np.ceil(max(low, 1.0) - 1e-9))
        segment.last[r] = int(np.floor(min(high, grid.counts[axis] - 3.0) + 1e-9))


@njit(nogil=True)
def block_planes(segment, first_row, last_row, count):
    """First and last plane that any ray of a segment meets inside the grid."""
    low, high = count, -1
    for r in range(first_row, last_row):
        begin, end = float(segment.first[r]), float(segment.last[r])
        shift = segment.middle[0]
        begin, end = begin - shift, end - shift
        begin, end = clip_range(segment.u[r], segment.u_step[r], 0.0, segment.u_top[0], begin, end)
        begin, end = clip_range(segment.v[r], segment.v_step[r], 0.0, segment.v_top[0], begin, end)
        if begin <= end:
            low = min(low, int(np.floor(begin + shift)))
            high = max(high, int(np.ceil(end + shift)))
    return max(low, 1), min(high, count - 3)
