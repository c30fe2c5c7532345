"""The loops behind `contrast`, compiled: they visit bright blocks only, a few in a hundred."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def block_means(
    hu: np.ndarray, block: tuple[int, int, int], lowest: float, highest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and greatest HU, within bounds, of every block of (k, j, i), both (K, J, I) int16."""
    shape = hu.shape
    count_k = (shape[0] + block[0] - 1) // block[0]
    count_j = (shape[1] + block[1] - 1) // block[1]
    count_i = (shape[2] + block[2] - 1) // block[2]
    mean = np.empty((count_k, count_j, count_i), np.int16)
    top = np.empty((count_k, count_j, count_i), np.int16)
    for a in range(count_k):
        for b in range(count_j):
            for c in range(count_i):
                total, voxels, most = 0.0, 0, lowest
                for k in range(a * block[0], min((a + 1) * block[0], shape[0])):
                    for j in range(b * block[1], min((b + 1) * block[1], shape[1])):
                        for i in range(c * block[2], min((c + 1) * block[2], shape[2])):
                            value = min(max(hu[k, j, i], lowest), highest)
                            total += value
                            voxels += 1
                            most = max(most, value)
                mean[a, b, c] = round(total / voxels)
                top[a, b, c] = round(most)
    return mean, top


@njit(nogil=True, cache=True)
def spread(mean: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Standard deviation over 3 x 3 x 3 blocks at the blocks of `where`, elsewhere inf."""
    shape = mean.shape
    found = np.full(shape, np.inf, np.float32)
    for k in range(1, shape[0] - 1):
        for j in range(1, shape[1] - 1):
            for i in range(1, shape[2] - 1):
                if not where[k, j, i]:
                    continue
                total, square = 0.0, 0.0
                for a in range(k - 1, k + 2):
                    for b in range(j - 1, j + 2):
                        for c in range(i - 1, i + 2):
                            value = float(mean[a, b, c])
                            total += value
                            square += value * value
                found[k, j, i] = np.sqrt(max(square / 27 - (total / 27) ** 2, 0.0))
    return found


@njit(nogil=True, cache=True)
def eroded(mask: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Blocks whose neighbours at all `offsets` (n, 3) are in the mask, or outside the grid."""
    shape = mask.shape
    kept = np.zeros(shape, np.bool_)
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                if not mask[k, j, i]:
                    continue
                inside = True
                for n in range(len(offsets)):
                    a, b, c = k + offsets[n, 0], j + offsets[n, 1], i + offsets[n, 2]
                    if a < 0 or b < 0 or c < 0 or a >= shape[0] or b >= shape[1] or c >= shape[2]:
                        continue
                    if not mask[a, b, c]:
                        inside = False
                        break
                kept[k, j, i] = inside
    return kept


@njit(nogil=True, cache=True)
def dilated(mask: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Blocks of the mask and their neighbours at `offsets` (n, 3)."""
    shape = mask.shape
    grown = mask.copy()
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                if not mask[k, j, i]:
                    continue
                for n in range(len(offsets)):
                    a, b, c = k + offsets[n, 0], j + offsets[n, 1], i + offsets[n, 2]
                    if 0 <= a < shape[0] and 0 <= b < shape[1] and 0 <= c < shape[2]:
                        grown[a, b, c] = True
    return grown


@njit(nogil=True, cache=True)
def rim_shares(
    mean: np.ndarray,
    points: np.ndarray,
    steps: np.ndarray,
    limits: tuple[int, int, float, float, float],
) -> np.ndarray:
    """Share of the straight ways out of each point that pass a brighter rim, (n,) float32.

    A way is out where HU falls below half between soft tissue and the point. It passed a rim if,
    in the last steps before, HU stood above that of the point, and near the way's greatest. Ways
    that leave the grid or do not end do not count.

    Args:
        mean: (K, J, I) HU.
        points: (n, 3) blocks.
        steps: (directions, 3), one step in blocks.
        limits: the most steps; steps that count as the last; excess of a rim, in HU and as a
            share of the point's; HU of soft tissue.
    """
    most, last, excess_hu, excess_share, tissue = limits
    shape = mean.shape
    shares = np.zeros(len(points), np.float32)
    for n in range(len(points)):
        here = float(mean[points[n, 0], points[n, 1], points[n, 2]])
        way_out = 0.5 * (here + tissue)
        rim = here + max(excess_hu, excess_share * here)
        passed, out = 0, 0
        for d in range(len(steps)):
            rim_at, brightest = -most, here
            for s in range(1, most):
                k = round(points[n, 0] + steps[d, 0] * s)
                j = round(points[n, 1] + steps[d, 1] * s)
                i = round(points[n, 2] + steps[d, 2] * s)
                if k < 0 or j < 0 or i < 0 or k >= shape[0] or j >= shape[1] or i >= shape[2]:
                    break
                value = float(mean[k, j, i])
                if value < way_out:
                    out += 1
                    passed += s - rim_at <= last
                    break
                brightest = max(brightest, value)
                if value > rim and value > 0.8 * brightest:
                    rim_at = s
        shares[n] = passed / max(out, 1)
    return shares


@njit(nogil=True, cache=True)
def reach_shares(
    target: np.ndarray, points: np.ndarray, steps: np.ndarray, most: int
) -> np.ndarray:
    """Share of the straight ways from each point that meet `target` within `most` steps."""
    shape = target.shape
    shares = np.zeros(len(points), np.float32)
    for n in range(len(points)):
        met = 0
        for d in range(len(steps)):
            for s in range(1, most + 1):
                k = round(points[n, 0] + steps[d, 0] * s)
                j = round(points[n, 1] + steps[d, 1] * s)
                i = round(points[n, 2] + steps[d, 2] * s)
                if k < 0 or j < 0 or i < 0 or k >= shape[0] or j >= shape[1] or i >= shape[2]:
                    break
                if target[k, j, i]:
                    met += 1
                    break
        shares[n] = met / len(steps)
    return shares


@njit(nogil=True, cache=True)
def _push(
    keys: np.ndarray, items: np.ndarray, size: int, key: np.floating, item: int
) -> tuple[np.ndarray, np.ndarray]:
    """Add to a heap of `size`, and return its arrays, which grow when full."""
    if size == len(keys):
        keys, items = np.append(keys, np.empty_like(keys)), np.append(items, np.empty_like(items))
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if keys[parent] <= key:
            break
        keys[at], items[at] = keys[parent], items[parent]
        at = parent
    keys[at], items[at] = key, item
    return keys, items


@njit(nogil=True, cache=True)
def _pop(keys: np.ndarray, items: np.ndarray, size: int) -> None:
    """Drop the root of a heap; `size` is what remains, its last entry lies behind the end."""
    key, item, at = keys[size], items[size], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[at], items[at] = keys[child], items[child]
        at = child
    keys[at], items[at] = key, item


@njit(nogil=True, cache=True)
def shared_out(mean: np.ndarray, domain: np.ndarray, owner: np.ndarray, step: float) -> None:
    """Give every block of the domain, in place, to the owner it is nearest to (Dijkstra).

    The way between two face neighbours costs their difference in HU and `step`.

    Args:
        mean: (K, J, I) int16 HU.
        domain: (K, J, I) bool, where ways lead.
        owner: (K, J, I) uint8, C order: 0 = nobody's yet; changed.
        step: HU.
    """
    rows, columns = mean.shape[1], mean.shape[2]
    stride = (rows * columns, columns, 1)
    hu, inside, owners = mean.ravel(), domain.ravel(), owner.ravel()
    seeds = np.flatnonzero(owners)
    cost = np.full(hu.size, np.inf, np.float32)
    cost[seeds] = 0
    size = len(seeds)
    # Seeds, all at cost 0, are a heap in any order.
    keys, items = np.zeros(size + 65536, np.float32), np.zeros(size + 65536, np.int64)
    items[:size] = seeds
    while size > 0:
        so_far, at = keys[0], items[0]
        size -= 1
        _pop(keys, items, size)
        if so_far > cost[at]:
            continue
        place = (at // stride[0], at // columns % rows, at % columns)
        for axis in range(3):
            for side in (-1, 1):
                if not 0 <= place[axis] + side < mean.shape[axis]:
                    continue
                to = at + side * stride[axis]
                total = np.float32(so_far + abs(float(hu[at]) - float(hu[to])) + step)
                if inside[to] and total < cost[to]:
                    cost[to], owners[to] = total, owners[at]
                    keys, items = _push(keys, items, size, total, to)
                    size += 1
