"""The voxels between an edge of a bin and any other HU, projected one by one: they are few.

Each voxel looks for the rays it reaches, and weighs with them as Joseph's method does; so what
comes out is what a projection of those voxels alone would give.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .grid import column_path
from .segments import SEGMENT
from .separable import rise_of
from .sparse import MARGIN
from .wide import add_at, splat_at, value_at

LANES = 8
"""Rows that are worked on together."""

TILE = 16
"""Side of the tiles that an image is turned in."""


class View(NamedTuple):
    """Rays as a voxel sees them.

    start, turn (3, 3): origin and step a row and a column of the rays' starts, and of their
    directions. back (3, 3): from a place relative to the start of ray (0, 0) to (t, t · row,
    t · column); `fans` (row, column): whether those two really are times t. axes (columns,
    segments): along which axis each ray is stepped.
    """

    start: np.ndarray
    turn: np.ndarray
    back: np.ndarray
    fans: tuple[bool, bool]
    axes: np.ndarray
    size: tuple[int, int]


def view_of(start: np.ndarray, end: np.ndarray, size: tuple[int, int], straight: bool) -> View:
    """Rays (3, 3), (3, 3) in axes (a, b, w), whether of columns along w, as `refine` takes them."""
    turn = end - start
    least = 1e-9 * np.abs(turn[0]).max()
    fans = (bool(np.abs(turn[1]).max() > least), bool(np.abs(turn[2]).max() > least))
    sides = [turn[n] if fan else start[n] for n, fan in zip((1, 2), fans, strict=True)]
    back = np.ascontiguousarray(np.linalg.inv(np.stack([turn[0], *sides], axis=1)))
    rows, columns = size
    c, r = np.ogrid[:columns, :rows:SEGMENT]
    runs = [abs(turn[0, a] + r * turn[1, a] + c * turn[2, a]) for a in range(2 if straight else 3)]
    axes = np.argmax(runs, axis=0).astype(np.uint8)
    return View(np.ascontiguousarray(start), np.ascontiguousarray(turn), back, fans, axes, size)


@njit(nogil=True, fastmath=True)
def _add_column(image, at, span, rows, view, column, axis, place, amount):
    """Add a voxel to those of rows span[0]:span[1] of one column that it reaches.

    Rows outside rows[0]:rows[1] are stepped along another axis: they get nothing.
    """
    start, turn = view.start, view.turn
    u, v = (1 if axis == 0 else 0), (1 if axis == 2 else 2)
    f, zero, one = np.float32, np.float32(0.0), np.float32(1.0)
    go = f(place[axis] - start[0, axis] - column * start[2, axis])
    run, run_row = f(turn[0, axis] + column * turn[2, axis]), f(turn[1, axis])
    u0, u_row = f(start[0, u] + column * start[2, u] - place[u]), f(start[1, u])
    v0, v_row = f(start[0, v] + column * start[2, v] - place[v]), f(start[1, v])
    u_turn, u_turn_row = f(turn[0, u] + column * turn[2, u]), f(turn[1, u])
    v_turn, v_turn_row = f(turn[0, v] + column * turn[2, v]), f(turn[1, v])
    go_row, low, high = f(start[1, axis]), f(rows[0]), f(rows[1])
    for first in range(span[0], span[1], LANES):
        for lane in range(LANES):
            r = f(first + lane)
            t = (go - go_row * r) / (run + run_row * r)
            off_u = u0 + u_row * r + t * (u_turn + u_turn_row * r)
            off_v = v0 + v_row * r + t * (v_turn + v_turn_row * r)
            share = max(one - abs(off_u), zero) * max(one - abs(off_v), zero)
            inside = (zero <= t) & (t <= one) & (low <= r) & (r < high)
            add_at(image, at + first + lane, share * amount if inside else zero)


@njit(nogil=True)
def _reach(x, view):
    """Rows and columns that a voxel reaches, from its (t, t · row, t · column): first and stop."""
    back, fans, size = view.back, view.fans, view.size
    by_row = 1.0 / x[0] if fans[0] else 1.0
    by_column = 1.0 / x[0] if fans[1] else 1.0
    row, column = x[1] * by_row, x[2] * by_column
    c = min(max(int(column), 0), size[1] - 1)
    axis = view.axes[c, min(max(int(row), 0), size[0] - 1) // SEGMENT]
    along_row = along_column = 0.05
    for k in range(3):
        if k != axis:
            along_row += abs(back[1, k] * by_row - (row * by_row * back[0, k] if fans[0] else 0.0))
            lean = column * by_column * back[0, k] if fans[1] else 0.0
            along_column += abs(back[2, k] * by_column - lean)
    rows = (max(int(np.ceil(row - along_row)), 0), min(int(row + along_row) + 1, size[0]))
    first = max(int(np.ceil(column - along_column)), 0)
    return rows, (first, min(int(column + along_column) + 1, size[1]))


@njit(nogil=True, cache=True)
def refine(image, room, listed, first, last, shape, view):
    """Add voxels first:last of a list to image (columns · room,) float32.

    listed (`Sparse`) by value: places in a grid of `shape`. Row r of column c is at
    image[c · room + MARGIN + r]; what falls beside the detector is taken by the margins.
    """
    across, places, ranks = shape[1] * shape[2], listed.places, listed.ranks
    value = np.searchsorted(ranks, first, side="right") - 1
    place, x = np.empty(3), np.empty(3)
    for n in range(first, last):
        while n >= ranks[value + 1]:
            value += 1
        index = int(places[n])
        a, rest = index // across, index % across
        place[0], place[1], place[2] = a, rest // shape[2], rest % shape[2]
        for i in range(3):
            x[i] = 0.0
            for k in range(3):
                x[i] += view.back[i, k] * (place[k] - view.start[0, k])
        if x[0] <= 0.0:
            continue
        span, columns = _reach(x, view)
        amount = np.float32(value)
        for c in range(columns[0], columns[1]):
            r = span[0]
            while r < span[1]:
                axis = int(view.axes[c, r // SEGMENT])
                stop = span[1]
                if axis != view.axes[c, (stop - 1) // SEGMENT]:
                    stop = min((r // SEGMENT + 1) * SEGMENT, stop)
                rows = (r, stop)
                _add_column(image, c * room + MARGIN, rows, rows, view, c, axis, place, amount)
                r = stop


@njit(nogil=True, cache=True)
def column_paths(counts, rays, columns):
    """(columns, 9) of `column_path` and `rise_of` for every detector column."""
    paths = np.empty((columns, 9))
    for c in range(columns):
        axis, first, stop, at, slope = column_path(counts, rays, c)
        start, step, start_plane, step_plane = rise_of(rays, c, axis)
        where = (float(axis), float(first), float(stop), at, slope)
        paths[c] = np.array((*where, start, step, start_plane, step_plane))
    return paths


@njit(forceinline=True, fastmath=True)
def _add_rows(image, at, rows, start, step, w, amount):
    """Add a voxel to the rows of one column that it reaches along w."""
    inverse = 1.0 / step if step != 0.0 else 1e9
    middle, reach = (w - start) * inverse, abs(inverse)
    first = int(max(middle - reach + (MARGIN + 1), 0.0)) - MARGIN
    stop = int(min(middle + reach + 1.0, float(rows)))
    for r in range(first, stop, 4):
        offset = np.float32(start + step * r - w)
        splat_at(image, at + r, offset, np.float32(step), np.float32(amount))


@njit(nogil=True, cache=True, fastmath=True)
def refine_straight(image, room, listed, first, last, shape, view, paths):
    """`refine` for views without tilt, where a column's rays cross a plane at one u.

    paths (columns · 9,): `column_paths`, flat.
    """
    rows, columns = view.size
    across, along = np.uint32(shape[1] * shape[2]), np.uint32(shape[2])
    places, ranks = listed.places, listed.ranks
    value = np.searchsorted(ranks, first, side="right") - 1
    back, fan = view.back, view.fans[1]
    t_a, t_b, c_a, c_b = back[0, 0], back[0, 1], back[2, 0], back[2, 1]
    t_0 = -t_a * view.start[0, 0] - t_b * view.start[0, 1]
    c_0 = -c_a * view.start[0, 0] - c_b * view.start[0, 1]
    for n in range(first, last):
        while n >= ranks[value + 1]:
            value += 1
        index = value_at(places, n)
        one = index // across
        rest = index - one * across
        two = rest // along
        a, b, w = float(one), float(two), float(rest - two * along)
        t = t_0 + t_a * a + t_b * b
        if t <= 0.0:
            continue
        by = 1.0 / t if fan else 1.0
        column = (c_0 + c_a * a + c_b * b) * by
        lean = column if fan else 0.0
        reach = max(abs(c_a - lean * t_a), abs(c_b - lean * t_b)) * by + 0.01
        stop = int(max(min(column + reach, columns - 1.0) + 1.0, 0.0))
        for c in range(int(max(column - reach + 1.0, 0.0)), stop):
            at = 9 * c
            planes_of_a = value_at(paths, at) == 0.0
            plane, u = (a, b) if planes_of_a else (b, a)
            share = 1.0 - abs(value_at(paths, at + 3) + plane * value_at(paths, at + 4) - u)
            if value_at(paths, at + 1) <= plane < value_at(paths, at + 2):
                start = value_at(paths, at + 5) + plane * value_at(paths, at + 7)
                step = value_at(paths, at + 6) + plane * value_at(paths, at + 8)
                amount = max(share, 0.0) * value
                _add_rows(image, c * room + MARGIN, rows, start, step, w, amount)


@njit(nogil=True, cache=True)
def add_and_turn(image, base, added, gains, sign):
    """image (rows, columns) = base (columns, rows) + sign · added (columns, room) · gains."""
    columns, rows = base.shape
    for c0 in range(0, columns, TILE):
        for r0 in range(0, rows, TILE):
            for r in range(r0, min(r0 + TILE, rows)):
                for c in range(c0, min(c0 + TILE, columns)):
                    found = base[c, r] + sign * added[c, r] * gains[c, r]
                    image[r, c] = max(found, np.float32(0.0))
