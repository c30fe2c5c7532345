"""Kernels that lay a CT out for projection and note where in it there is anything at all."""

from __future__ import annotations

import numpy as np
from numba import njit

from .wide import value_at

FLAG = 0x8000
"""The top bit of a packed value: this voxel is bone."""

LARGEST = 0x7FFF
"""The largest packed value, HU + 1000."""

BLOCK = 32
CELL = 8


@njit(forceinline=True)
def bone_of(packed):
    """Value of a packed voxel if it is bone, else 0; int32, for the compiler widens no more."""
    return max(np.int32(np.int32(packed) - np.int32(FLAG)), np.int32(0))


@njit(nogil=True, cache=True)
def pack_slabs(packed, first, last, hu, part, wanted, fraction):
    """Write HU + 1000, cut to 0 … LARGEST, into packed[first + 1 : last + 1] with a rim of one.

    packed (a, b, w) uint16, zeros; hu (a, b, w) a view of the CT in that axis order. With
    `wanted` 0, voxels of any part get FLAG; else only voxels of that part are written, times
    fraction / 255 (`fraction` of size 0: all of it). `part` of size 0: no voxel is bone.
    """
    for a in range(first, last):
        for block in range(0, hu.shape[1], BLOCK):
            for w in range(hu.shape[2]):
                for b in range(block, min(block + BLOCK, hu.shape[1])):
                    value = int(np.floor(hu[a, b, w] + 1000.5))
                    value = min(max(value, 0), LARGEST)
                    if wanted > 0:
                        if part[a, b, w] != wanted:
                            continue
                        if fraction.size > 0:
                            value = (value * fraction[a, b, w] + 127) // 255
                    elif part.size > 0 and part[a, b, w] != 0:
                        value |= FLAG
                    packed[a + 1, b + 1, w + 1] = value


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
