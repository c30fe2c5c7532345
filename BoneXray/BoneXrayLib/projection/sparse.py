"""The few voxels of many HU, listed: a projection sorts these one by one into narrow bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numba import njit

from .blocks import NOWHERE, is_in
from .grid import crossing
from .packing import LARGEST
from .wide import note_at, splat_at, table_at, value_at
from .workers import in_blocks

if TYPE_CHECKING:
    from .prepared import PackedVolume, PreparedParts

FINE = 1100
"""Values (HU + 1000) from here up are listed."""

MARGIN = 16
"""Room before and after the rows of a bin, so that a voxel at the rim needs no clipping."""

SAMPLED = 8
"""Of so many voxel columns each way, one tells how much lies between two HU."""

BLOCK = 8
"""Voxels that are placed together."""

STREAMS = 4
"""Parts of a voxel column that are added in turn.

Neighbours along w add to overlapping rows; were one added right after the other, its load would
wait for the other's store.
"""


class Sparse(NamedTuple):
    """Voxels of FINE and more, about 8 bytes each.

    starts (columns + 1,) int64: where the voxels of each voxel column (a, b) start in `voxels`
    (n,) uint32: w in the upper half, the value in the lower. The same by value: ranks
    (LARGEST + 2,) int64, where each value starts in places (n,) uint32, flat indices in the grid.
    shares (LARGEST + 2,) float64: sum of the values below each, in a sample of all voxels.
    """

    starts: np.ndarray
    voxels: np.ndarray
    ranks: np.ndarray
    places: np.ndarray
    shares: np.ndarray


class Bins(NamedTuple):
    """How a view is sorted.

    bits (wide bins + 1, cells a, cells b) uint64: a bit a cell along w that may hold some of the
    bin; the last for listed voxels, where any are wanted. starts (wide bins + 1,) int32: first
    value of each and the end. places (LARGEST + 1,) int32: where in the sums a listed value's bin
    starts. room: distance of the bins in the sums.
    """

    bits: np.ndarray
    starts: np.ndarray
    places: np.ndarray
    room: int


_listed: WeakKeyDictionary[PackedVolume, Sparse] = WeakKeyDictionary()


def sparse_of(prepared: PreparedParts) -> Sparse:
    """The listed voxels of a CT; made at the first call and kept as long as its packed volume.

    Contrast medium is not among them where it was taken away from the bone.
    """
    packed = prepared.whole
    found = _listed.get(packed)
    if found is None:
        values = packed.values
        blocks = (prepared.contrast_removed and prepared.contrast) or NOWHERE
        counts = np.zeros(values.shape[0] * values.shape[1] + 1, np.int64)
        in_blocks(lambda a, b: _count(counts, a, b, values, blocks), values.shape[0], 16)
        starts = np.cumsum(counts)
        voxels = np.zeros(starts[-1] + BLOCK, np.uint32)
        in_blocks(lambda a, b: _list(voxels, starts, a, b, values, blocks), values.shape[0], 16)
        ranks = np.zeros(LARGEST + 2, np.int64)
        places = np.empty(starts[-1], np.uint32)
        _rank(ranks, places, voxels, starts, values.shape[2])
        found_of = np.zeros(LARGEST + 1, np.int64)
        for plane in values[::SAMPLED, ::SAMPLED]:  # at once it would take as much as the list
            found_of += np.bincount((plane & LARGEST).ravel(), minlength=LARGEST + 1)
        shares = np.append(0.0, np.cumsum(found_of * np.arange(LARGEST + 1.0)))
        found = _listed[packed] = Sparse(starts, voxels, ranks, places, shares)
    return found


def keep_list(before: PackedVolume, after: PackedVolume) -> None:
    """Let `after`, the same values with other bones flagged, have the list of `before`."""
    if before in _listed:
        _listed[after] = _listed[before]


@njit(nogil=True, cache=True)
def _count(counts, first, last, values, blocks):
    """counts[column + 1] = how many voxels are to be listed, in rows first:last of values."""
    for a in range(first, last):
        for b in range(values.shape[1]):
            number = np.int32(0)
            for w in range(values.shape[2]):
                is_listed = (np.int32(values[a, b, w]) & np.int32(LARGEST)) >= FINE
                number += np.int32(is_listed and not is_in(blocks, a - 1, b - 1, w - 1))
            counts[a * values.shape[1] + b + 1] = number


@njit(nogil=True, cache=True)
def _list(voxels, starts, first, last, values, blocks):
    """Write the voxels of rows first:last of values (a, b, w) to where their columns start."""
    for a in range(first, last):
        for b in range(values.shape[1]):
            column = a * values.shape[1] + b
            at = starts[column]
            if at == starts[column + 1]:
                continue
            for w in range(values.shape[2]):
                value = np.uint32(values[a, b, w]) & np.uint32(LARGEST)
                if value >= FINE and not is_in(blocks, a - 1, b - 1, w - 1):
                    voxels[at] = (np.uint32(w) << np.uint32(16)) | value
                    at += 1


@njit(nogil=True, cache=True)
def _rank(ranks, places, voxels, starts, length):
    """Sort the places of all voxels by value; those of one value keep their order."""
    for n in range(len(places)):
        ranks[(voxels[n] & np.uint32(LARGEST)) + np.uint32(1)] += 1
    ranks[:] = np.cumsum(ranks)
    free = ranks.copy()
    for column in range(len(starts) - 1):
        for n in range(starts[column], starts[column + 1]):
            value = voxels[n] & np.uint32(LARGEST)
            places[free[value]] = column * length + int(voxels[n] >> np.uint32(16))
            free[value] += 1


@njit(nogil=True, fastmath=True)
def _place(scratch, at, voxels, first, last, weight, along, top, places):
    """Work out where voxels first:last go; returns the place after the last in `scratch`.

    scratch: index of the first row that a voxel reaches in its bin, where that row is along w
    from the voxel, weighted value. places (LARGEST + 1,) int32: where each value's bin starts.
    """
    indices, offsets, amounts = scratch
    start, step = along
    inverse = np.float32(1.0 / step)
    shift = np.float32(MARGIN + 1 - start / step - abs(1.0 / step))
    start, step = np.float32(start - step * MARGIN), np.float32(step)
    for block in range((last - first + BLOCK - 1) // BLOCK):
        for lane in range(BLOCK):
            n = block * BLOCK + lane
            voxel = np.int32(table_at(voxels, first + n))
            value, w = voxel & np.int32(LARGEST), np.float32(voxel >> np.int32(16))
            row = np.int32(min(max(w * inverse + shift, np.float32(0.0)), top))
            note_at(indices, at + n, table_at(places, value) + row)
            note_at(offsets, at + n, start + step * np.float32(row) - w)
            note_at(amounts, at + n, weight * np.float32(value))
    return at + last - first


@njit(nogil=True, fastmath=True)
def _splat(sums, scratch, number, step, fours):
    """Add the placed voxels to the rows they reach: those less than one from them along w."""
    indices, offsets, amounts = scratch
    part = (number + STREAMS - 1) // STREAMS
    for n in range(number, part * STREAMS):
        indices[n], amounts[n] = 0, 0.0
    for i in range(part):
        for stream in range(STREAMS):
            n = i + stream * part
            index, offset = value_at(indices, n), value_at(offsets, n)
            amount = value_at(amounts, n)
            splat_at(sums, index, offset, step, amount)
            for more in range(4, 4 * fours, 4):
                moved = offset + np.float32(more) * step
                splat_at(sums, index + more, moved, step, amount)


@njit(nogil=True)
def _splat_far(sums, voxels, first, last, weight, along, rows, places):
    """As `_place` and `_splat` where a voxel reaches any number of rows; slow."""
    start, step = along
    for n in range(first, last):
        value, w = int(voxels[n] & np.uint32(LARGEST)), int(voxels[n] >> np.uint32(16))
        for r in range(rows):
            share = 1.0 - abs(start + step * r - w)
            if share > 0.0:
                sums[places[value] + MARGIN + r] += share * weight * value


@njit(nogil=True)
def add_sparse(sums, scratch, sparse, places, rows, counts, path, rise, scale):
    """Add every listed voxel that one detector column crosses to its rows and bins."""
    axis, first, stop, at, slope = path
    strides = (counts[1], 1)
    top = np.float32(rows + MARGIN)
    for plane in range(first, stop):
        near, far, weights = crossing(plane, axis, at, slope, counts, strides, scale)
        n0, n1 = sparse.starts[near], sparse.starts[near + 1]
        f0, f1 = sparse.starts[far], sparse.starts[far + 1]
        if n0 == n1 and f0 == f1:
            continue
        along = (rise[0] + plane * rise[2], rise[1] + plane * rise[3])
        step, all_voxels = along[1], sparse.voxels
        if abs(step) * MARGIN < 2.5:
            _splat_far(sums, all_voxels, n0, n1, weights[0], along, rows, places)
            _splat_far(sums, all_voxels, f0, f1, weights[1], along, rows, places)
            continue
        n = _place(scratch, 0, all_voxels, n0, n1, weights[0], along, top, places)
        n = _place(scratch, n, all_voxels, f0, f1, weights[1], along, top, places)
        _splat(sums, scratch, n, np.float32(step), int(np.ceil(0.5 / abs(step))))
