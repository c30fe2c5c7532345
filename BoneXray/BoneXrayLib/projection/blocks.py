"""A mask on blocks of voxels, a bit each, as kernels ask it: is this voxel in there?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..body import CoarseMask
from .packing import FLAG, LARGEST


class Blocks(NamedTuple):
    """A mask in packed axes, without the rim.

    Attributes:
        bits: (A, B, W / 8) uint8, the first block of eight in the highest bit.
        block: voxels in one block along (a, b, w); the last block holds what is left over, too.
        ends: index of the last block along each.
    """

    bits: np.ndarray
    block: tuple[int, int, int]
    ends: tuple[int, int, int]


NOWHERE = Blocks(np.zeros((1, 1, 1), np.uint8), (1, 1, 1), (0, 0, 0))


def blocks_of(mask: CoarseMask) -> Blocks:
    """A mask with its axes in packed order, in an eighth of its memory."""
    if not mask.mask.any():
        return NOWHERE
    a, b, w = mask.mask.shape
    return Blocks(np.packbits(mask.mask, axis=2), mask.block, (a - 1, b - 1, w - 1))


@njit(forceinline=True)
def is_in(blocks, a, b, w):
    """Whether voxel (a, b, w), counted without the rim, is in a mask."""
    i = min(a // blocks.block[0], blocks.ends[0])
    j = min(b // blocks.block[1], blocks.ends[1])
    k = min(w // blocks.block[2], blocks.ends[2])
    return (blocks.bits[i, j, k >> 3] >> (7 - (k & 7))) & 1 != 0


@njit(nogil=True, cache=True)
def unflag(values, first, last, blocks):
    """Take the flag from voxels of rows first:last of values (a, b, w) that are in a mask."""
    for a in range(first, last):
        for b in range(values.shape[1]):
            for w in range(values.shape[2]):
                if values[a, b, w] >= FLAG and is_in(blocks, a - 1, b - 1, w - 1):
                    values[a, b, w] &= LARGEST
