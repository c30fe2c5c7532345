"""Kernels that lay a CT out for projection and note where in it there is anything at all."""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

from .wide import put_at, value_at

FLAG = 0x8000
"""The top bit of a packed value: this voxel is bone."""

LARGEST = 0x7FFF
"""The largest packed value, HU + 1000."""

BLOCK = 32
TILE = 64
CELL = 8


@njit(forceinline=True)
def bone_of(packed):
    """Value of a packed voxel if it is bone, else 0; int32, for the compiler widens no more."""
    return max(np.int32(np.int32(packed) - np.int32(FLAG)), np.int32(0))


def _value(hu):
    """HU + 1000, rounded and cut to 0 … LARGEST."""


@overload(_value, inline="always")
def _value_of_type(hu):
    if isinstance(hu, types.Integer):
        return lambda hu: min(max(np.int32(hu) + np.int32(1000), np.int32(0)), np.int32(LARGEST))
    return lambda hu: np.int32(min(max(np.floor(hu + 1000.5), 0.0), float(LARGEST)))


@njit(nogil=True, cache=True)
def pack_ct(packed, first, last, hu, kept, places, labelled):
    """Write HU + 1000, cut to 0 … LARGEST, into packed[first + 1 : last + 1] with a rim of one.

    packed (a, b, w) uint16, zeros; hu (a, b, w) a view of the CT in that axis order. Voxels in
    blocks where `kept` (A, B, W) uint8 is 0 become air, unless `labelled` (a, b, w) is above 0
    there; places: the block of each a, b and w. `kept` or `labelled` of size 0: no such array.
    """
    rows, columns, steps = places
    # Through a tile: CT and packed volume are both read and written along their own lines.
    tile = np.empty((TILE, hu.shape[1]), np.uint16)
    for a in range(first, last):
        for start in range(0, hu.shape[2], TILE):
            stop = min(start + TILE, hu.shape[2])
            for w in range(start, stop):
                for b in range(hu.shape[1]):
                    tile[w - start, b] = _value(hu[a, b, w])
                if kept.size > 0:
                    inside = kept[rows[a], :, steps[w]]
                    for b in range(hu.shape[1]):
                        label = labelled.size > 0 and labelled[a, b, w] > 0
                        if inside[columns[b]] == 0 and not label:
                            tile[w - start, b] = 0
            for b in range(hu.shape[1]):
                for w in range(start, stop):
                    packed[a + 1, b + 1, w + 1] = tile[w - start, b]


@njit(nogil=True, cache=True)
def pack_part(packed, first, last, hu, part, wanted, fraction):
    """`pack_ct` of the voxels of one part only, times fraction / 255 (size 0: all of it)."""
    for a in range(first, last):
        for block in range(0, hu.shape[1], BLOCK):
            for w in range(hu.shape[2]):
                for b in range(block, min(block + BLOCK, hu.shape[1])):
                    if part[a, b, w] != wanted:
                        continue
                    value = _value(hu[a, b, w])
                    if fraction.size > 0:
                        value = (value * fraction[a, b, w] + 127) // 255
                    packed[a + 1, b + 1, w + 1] = value


@njit(nogil=True, cache=True)
def pack_shares(packed, first, last, whole, part, wanted, shares):
    """`pack_part` from a packed volume: value · shares[value] / 255, shares (32768,) uint8.

    whole, part: (a, b, w) views of the box. `part` of size 0: the voxels flagged in `whole`.
    """
    for a in range(first, last):
        for block in range(0, whole.shape[1], BLOCK):
            for w in range(whole.shape[2]):
                for b in range(block, min(block + BLOCK, whole.shape[1])):
                    bone = whole[a, b, w] >= FLAG if part.size == 0 else part[a, b, w] == wanted
                    if bone:
                        value = np.int32(whole[a, b, w]) & LARGEST
                        packed[a + 1, b + 1, w + 1] = (value * shares[value] + 127) // 255


@njit(nogil=True, cache=True)
def flag_window(packed, first, last, low, high):
    """Set FLAG in packed[first:last] where low <= value <= high, clear it everywhere else."""
    low, high = np.int32(low), np.int32(high)
    for a in range(first, last):
        for b in range(packed.shape[1]):
            line = packed[a, b]
            for w in range(len(line)):
                value = np.int32(value_at(line, w)) & np.int32(LARGEST)
                bone = np.int32(value >= low) & np.int32(value <= high)
                put_at(line, w, np.uint16(value | (bone << np.int32(15))))


@njit(nogil=True, cache=True)
def flag_parts(packed, first, last, part):
    """Set FLAG in packed[first + 1 : last + 1] where `part` (a, b, w) is above 0, clear it else."""
    for a in range(first, last):
        for block in range(0, part.shape[1], BLOCK):
            for w in range(part.shape[2]):
                for b in range(block, min(block + BLOCK, part.shape[1])):
                    value = np.int32(packed[a + 1, b + 1, w + 1]) & LARGEST
                    packed[a + 1, b + 1, w + 1] = value | (FLAG if part[a, b, w] != 0 else 0)


@njit(nogil=True, cache=True)
def drop_unflagged(part, first, last, packed):
    """Set `part` (a, b, w) to 0 in rows first:last where `packed` is not flagged."""
    for a in range(first, last):
        for block in range(0, part.shape[1], BLOCK):
            for w in range(part.shape[2]):
                for b in range(block, min(block + BLOCK, part.shape[1])):
                    if packed[a + 1, b + 1, w + 1] < FLAG:
                        part[a, b, w] = 0


@njit(nogil=True, cache=True)
def find_cells(lowest, highest, flagged, first, last, packed, shift):
    """Range of the values in each cell of 8 × 8 × 2^shift voxels and the planes after it.

    lowest and highest (cells a, b, w) uint16, without the flag; lowest counts no air (0) and is
    LARGEST where there is nothing else. flagged (cells a, b, w) uint8: any bone. Rows
    first:last are filled. A cell holds all the corners of the samples that start in it.
    """
    length = packed.shape[2]
    low = np.empty(length, np.uint16)
    high = np.empty(length, np.uint16)
    bone = np.empty(length, np.uint16)
    for a in range(first, last):
        for b in range(lowest.shape[1]):
            low[:] = LARGEST
            high[:] = 0
            bone[:] = 0
            for row in range(a * CELL, min((a + 1) * CELL + 1, packed.shape[0])):
                for column in range(b * CELL, min((b + 1) * CELL + 1, packed.shape[1])):
                    _widen(low, high, bone, packed[row, column])
            for w in range(lowest.shape[2]):
                start, stop = w << shift, min(((w + 1) << shift) + 1, length)
                lowest[a, b, w] = low[start:stop].min()
                highest[a, b, w] = high[start:stop].max()
                flagged[a, b, w] = bone[start:stop].max() >= FLAG


@njit(nogil=True)
def _widen(low, high, bone, line):
    for w in range(len(line)):
        found = np.int32(value_at(line, w))
        value = found & np.int32(LARGEST)
        solid = value if value > 0 else np.int32(LARGEST)
        low[w] = np.uint16(min(np.int32(value_at(low, w)), solid))
        high[w] = np.uint16(max(np.int32(value_at(high, w)), value))
        bone[w] = np.uint16(np.int32(value_at(bone, w)) | found)
