"""Sorting by HU while projecting, for views without tilt, as `separable.py` projects them.

Bins above 100 HU are narrow and voxels there few: listed beforehand, these are sorted one by one.
Bins below are wide, and each is worked on as a projection of its own, wherever there is any of it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .dense import add_bin
from .grid import LANES, column_path, step_gains
from .separable import rise_of
from .sparse import MARGIN, add_sparse
from .wide import note_at, table_at, value_at


@njit(nogil=True, fastmath=True)
def _write_bin(to, total, sums, at, gains):
    """total += the sums from sums[at] on; to = total times gains."""
    for r in range(len(to)):
        added = value_at(total, r) + table_at(sums, at + r)
        note_at(total, r, added)
        note_at(to, r, added * table_at(gains, r))


@njit(nogil=True)
def write_above(out, sums, total, gains, room, wide):
    """out (edges, rows) of one column = sums of the bins from each edge up, times gains (rows,).

    A bin starts every `room` of sums. The first `wide` bins count all that lies above as the last
    of them; the others start anew.
    """
    edges = out.shape[0]
    total[:] = 0.0
    for e in range(edges - 1, -1, -1):
        if e == wide - 1:
            total[:] = 0.0
        _write_bin(out[e], total, sums, e * room + MARGIN, gains)


@njit(nogil=True, cache=True)
def bin_separable(out, lengths, first, last, grid, rays, bins, sparse, scale, gain):
    """Fill columns first:last of out (columns, edges, rows): what lies at and above each edge.

    lengths (columns, rows): gets what a pixel's sum is multiplied by. The rest as
    `project_separable`.
    """
    edges, rows = out.shape[1:]
    room, wide = bins.room, len(bins.starts) - 1
    pad = int(np.ceil(max(abs(rays.start[1, 2]), abs(rays.end[1, 2])) * LANES)) + 2
    line = np.zeros(grid.counts[2] + 2 * pad + 2, np.uint16)
    runs = np.empty((-(-rows // LANES), 2), np.int64)
    sums, total = np.empty((edges + 1) * room, np.float32), np.empty(rows, np.float32)
    most = 2 * grid.counts[2] + 2 * MARGIN
    scratch = np.empty(most, np.int32), np.empty(most, np.float32), np.empty(most, np.float32)
    shape, values = (grid.counts, grid.strides, grid.shift, pad), grid.values
    for c in range(first, last):
        sums[:] = 0.0
        path = column_path(grid.counts, rays, c)
        rise = rise_of(rays, c, path[0])
        for n in range(wide):
            at, limits = n * room + MARGIN, (bins.starts[n], bins.starts[n + 1])
            add_bin(sums, at, line, runs, values, bins.bits, n, shape, path, rise, limits, scale)
        if wide < edges:
            add_sparse(sums, scratch, sparse, bins.places, rows, grid.counts, path, rise, scale)
        step_gains(lengths[c], rays, c, path[0], gain / scale, 0, rows)
        write_above(out[c], sums, total, lengths[c], room, wide)
