"""Small pieces of bone found and taken away in place, with little memory and on all processors.

Pieces are told apart on blocks of about `PIECE_GAP_MM` (26 neighbours). The filled blocks of a
line are kept as runs: a CT holds far fewer of them than voxels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

PIECE_GAP_MM = 1.5
"""Bone voxels within about this distance count as one piece: trabeculae are not specks."""

LAYERS = 8
"""Layers of blocks that are worked on at a time."""


def remove_pieces(
    voxels: np.ndarray,
    spacing_mm: tuple[float, ...],
    smallest_mm3: float,
    rim: int = 0,
    bone: int = 1,
    left: int = 0,
    spread: Callable[[Callable[[int, int], None], int, int], None] | None = None,
) -> None:
    """Take away, in place, every piece of bone that is smaller than a volume.

    A piece's volume is that of its voxels of bone, and one of exactly `smallest_mm3` stays.

    Args:
        voxels: (a, b, w) unsigned integers, changed.
        spacing_mm: along (a, b, w).
        smallest_mm3: the volume.
        rim: index of the first voxel along each axis; what lies before and after is no bone.
        bone: voxels of at least this value are bone.
        left: bits of a voxel that stay when it is taken away.
        spread: spread(work, count, block) calls work(first, last) for every block of
            range(count), maybe several at once; one after the other when None.
    """
    spread = spread or _in_turn
    block = tuple(max(1, round(PIECE_GAP_MM / mm)) for mm in spacing_mm)
    shape = tuple(n - rim for n in voxels.shape)
    layers, lines = (-(-n // b) for n, b in zip(shape[:2], block[:2], strict=True))
    kind = voxels.dtype.type
    found: dict[int, np.ndarray] = {}
    starts = np.zeros(layers * lines + 1, np.int64)

    def find(first: int, last: int) -> None:
        counts = starts[1 + first * lines : 1 + last * lines]
        runs, number = find_runs(voxels, first, last, rim, block, kind(bone), counts)
        found[first] = runs[:number].copy()

    spread(find, layers, LAYERS)
    np.cumsum(starts, out=starts)
    runs = np.concatenate([found.pop(first) for first in sorted(found)])
    piece = np.arange(len(runs), dtype=np.int32 if len(runs) < 2**31 else np.int64)
    spread(lambda first, last: join_runs(piece, runs, starts, lines, first, last), layers, LAYERS)
    for first in range(LAYERS, layers, LAYERS):
        join_layers(piece, runs, starts, lines, first)
    volume_mm3 = sum_pieces(piece, runs) * np.prod(spacing_mm)
    doomed = volume_mm3 < smallest_mm3 * (1 - 1e-6)
    if doomed.any():
        spread(
            lambda first, last: clear_runs(
                voxels, first, last, rim, block, kind(left), runs, starts, doomed
            ),
            layers,
            LAYERS,
        )


def _in_turn(work: Callable[[int, int], None], count: int, block: int) -> None:
    for first in range(0, count, block):
        work(first, min(first + block, count))


@njit(nogil=True, cache=True)
def find_runs(voxels, first, last, rim, block, bone, counts):
    """Runs of filled blocks in each line of blocks: (room, 3) int32, first block, stop, voxels.

    Layers first:last, line after line; counts (lines) int64 is filled with how many each has.
    Returns the runs, with room after them, and their number.
    """
    rows, columns, length = voxels.shape[0], voxels.shape[1], voxels.shape[2] - rim
    runs = np.empty((1024, 3), np.int32)
    number = 0
    filled = np.empty(length, np.int32)
    lines = len(counts) // (last - first)
    for n in range(len(counts)):
        a = (first + n // lines) * block[0] + rim
        b = n % lines * block[1] + rim
        for w in range(length):
            filled[w] = 0
        for row in range(a, min(a + block[0], rows)):
            for column in range(b, min(b + block[1], columns)):
                line = voxels[row, column, rim:]
                for w in range(length):
                    filled[w] += np.int32(line[w] >= bone)
        if number + length // 2 + 1 > len(runs):
            runs = _longer(runs, 2 * len(runs) + length)
        before = number
        if filled.max() > 0:
            number = _add_runs(runs, number, filled, block[2])
        counts[n] = number - before
    return runs, number


@njit(nogil=True)
def _longer(runs, length):
    longer = np.empty((length, 3), np.int32)
    for n in range(len(runs)):
        for column in range(3):
            longer[n, column] = runs[n, column]
    return longer


@njit(nogil=True)
def _add_runs(runs, number, filled, block):
    """Write the runs of one line after the first `number`; returns how many there are then."""
    inside = False
    for n in range((len(filled) + block - 1) // block):
        voxels = 0
        for w in range(n * block, min((n + 1) * block, len(filled))):
            voxels += filled[w]
        if voxels > 0 and not inside:
            runs[number, 0] = n
            runs[number, 2] = 0
            number += 1
        if voxels > 0:
            runs[number - 1, 1] = n + 1
            runs[number - 1, 2] += voxels
        inside = voxels > 0
    return number


@njit(nogil=True)
def _root(piece, n):
    while piece[n] != n:
        piece[n] = piece[piece[n]]
        n = piece[n]
    return n


@njit(nogil=True)
def _join(piece, runs, starts, one, two):
    """Make one piece of runs that touch, of two neighbouring lines."""
    m, n = starts[one], starts[two]
    while m < starts[one + 1] and n < starts[two + 1]:
        if runs[m, 0] <= runs[n, 1] and runs[n, 0] <= runs[m, 1]:
            a, b = _root(piece, m), _root(piece, n)
            piece[max(a, b)] = min(a, b)
        if runs[m, 1] < runs[n, 1]:
            m += 1
        else:
            n += 1


@njit(nogil=True)
def _join_before(piece, runs, starts, lines, layer):
    for line in range(lines):
        for before in range(max(line - 1, 0), min(line + 2, lines)):
            _join(piece, runs, starts, layer * lines + line, (layer - 1) * lines + before)


@njit(nogil=True, cache=True)
def join_runs(piece, runs, starts, lines, first, last):
    """Join the runs within layers first:last; a piece goes by the number of its first run."""
    for layer in range(first, last):
        for line in range(1, lines):
            _join(piece, runs, starts, layer * lines + line, layer * lines + line - 1)
        if layer > first:
            _join_before(piece, runs, starts, lines, layer)


@njit(nogil=True, cache=True)
def join_layers(piece, runs, starts, lines, layer):
    """Join the runs of a layer and of the one before it."""
    _join_before(piece, runs, starts, lines, layer)


@njit(nogil=True, cache=True)
def sum_pieces(piece, runs):
    """Voxels of the piece that each run belongs to, (runs,) int64."""
    sums = np.zeros(len(runs), np.int64)
    for n in range(len(runs)):
        piece[n] = _root(piece, n)
        sums[piece[n]] += runs[n, 2]
    for n in range(len(runs)):
        sums[n] = sums[piece[n]]
    return sums


@njit(nogil=True, cache=True)
def clear_runs(voxels, first, last, rim, block, left, runs, starts, doomed):
    """Keep only the bits `left` of the voxels in the runs that are doomed, in layers first:last."""
    rows, columns, length = voxels.shape
    lines = (columns - rim + block[1] - 1) // block[1]
    for layer in range(first, last):
        for line in range(lines):
            n = layer * lines + line
            for run in range(starts[n], starts[n + 1]):
                if not doomed[run]:
                    continue
                a, b = layer * block[0] + rim, line * block[1] + rim
                low = runs[run, 0] * block[2] + rim
                high = min(runs[run, 1] * block[2] + rim, length)
                for row in range(a, min(a + block[0], rows)):
                    for column in range(b, min(b + block[1], columns)):
                        for w in range(low, high):
                            voxels[row, column, w] &= left
