"""What a binned projection gives: any window of HU, without projecting the CT again."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .rays import Lines, structure
from .workers import in_blocks, processors

if TYPE_CHECKING:
    from .prepared import PreparedParts
    from .refine import View
    from .sparse import Sparse

LISTED_HU = 100
"""From so many HU on a CT's voxels are listed, and windows exact."""

VOXELS_A_BLOCK = 20000


@dataclass(frozen=True, eq=False)
class Between:
    """What it takes to project the voxels between two HU, from FINE on, one by one.

    Attributes:
        shape: voxels of the packed grid along (a, b, w).
        sparse: the listed voxels.
        view: rays as a voxel sees them.
        paths: (columns · 9,) where each detector column's rays run; none where they tilt.
        lengths: (columns, rows) float32, what a pixel's sum is multiplied by.
        scale: what its voxels are multiplied by.
    """

    shape: tuple[int, int, int]
    sparse: Sparse
    view: View
    paths: np.ndarray
    lengths: np.ndarray
    scale: float

    def count(self, low: int, high: int) -> int:
        """How many voxels have low <= HU < high."""
        ranks = self.sparse.ranks
        low, high = (min(max(hu + 1000, 0), len(ranks) - 1) for hu in (low, high))
        return int(ranks[high] - ranks[low])

    def add(self, base: np.ndarray, low: int, high: int, sign: int) -> np.ndarray:
        """base (columns, rows) plus or minus the voxels low <= HU < high; (rows, columns)."""
        from .refine import add_and_turn, refine, refine_straight
        from .sparse import MARGIN

        columns, rows = base.shape
        room = rows + 2 * MARGIN
        ranks = self.sparse.ranks
        low, high = (int(ranks[min(max(hu + 1000, 0), len(ranks) - 1)]) for hu in (low, high))
        parts = min(processors(), -(-(high - low) // VOXELS_A_BLOCK))
        added = np.zeros((max(parts, 1), columns, room), np.float32)

        def work(first: int, last: int) -> None:
            image, listed = added[first].reshape(-1), self.sparse
            ends = [low + (high - low) * part // parts for part in (first, last)]
            if len(self.paths):
                refine_straight(image, room, listed, *ends, self.shape, self.view, self.paths)
            else:
                refine(image, room, listed, *ends, self.shape, self.view)

        in_blocks(work, parts, 1)
        for other in added[1:]:
            added[0] += other
        image = np.empty((rows, columns), np.float32)
        add_and_turn(image, base, added[0, :, MARGIN:], self.lengths, np.float32(sign * self.scale))
        return image


@dataclass(frozen=True, eq=False)
class BinnedView:
    """One view of a CT for every window of HU.

    Attributes:
        above: (edges, rows, columns) float32, line integral of μ over the voxels at or above each
            edge. 4 bytes × edges × pixels of memory, in which the columns lie one after the other.
        edges: (edges,) [HU], ascending.
        between: the voxels between edges, where they are listed: from 100 HU on.
        kept: images at the bounds of the last window, for dragging moves one of them.
    """

    above: np.ndarray
    edges: np.ndarray
    between: Between | None = None
    kept: dict[float, np.ndarray] = field(default_factory=dict, repr=False)

    def is_exact(self, low: float) -> bool:
        """Whether `from_hu(low)` is exact."""
        is_listed = self.between is not None and np.ceil(low) >= LISTED_HU
        return is_listed or low == np.inf or bool(np.isin(np.ceil(low), np.ceil(self.edges)))

    def from_hu(self, low: float) -> np.ndarray:
        """Line integrals of the voxels of `low` HU and more, (rows, columns) float32.

        Exact where `low` is an edge, and from 100 HU on: what lies between `low` and the edge that
        fewer voxels part it from is projected anew. Below 100 HU, between two edges, the images at
        them are mixed as all of the CT's voxels are shared out; below the first, that of the first.
        """
        hu = int(np.ceil(np.clip(low, -1000.0, 32000.0)))
        firsts = np.ceil(self.edges).astype(int)
        after = int(np.searchsorted(firsts, hu))
        if after == 0 or (after < len(firsts) and firsts[after] == hu):
            return np.ascontiguousarray(self.above[after])
        if self.between is not None and hu >= LISTED_HU:
            return self._exact(self.between, hu, firsts, after)
        if after == len(firsts):
            return np.ascontiguousarray(self.above[-1])
        part = np.float32(self._share(int(firsts[after - 1]), hu, int(firsts[after])))
        image = self.above[after] - self.above[after - 1]
        image *= part
        image += self.above[after - 1]
        return np.ascontiguousarray(image)

    def _share(self, low: int, hu: int, high: int) -> float:
        """Of what the CT has between two edges, the share below `hu`."""
        if self.between is not None:
            shares = self.between.sparse.shares
            below, here, above = (shares[max(at + 1000, 0)] for at in (low, hu, high))
            if above > below:
                return float((here - below) / (above - below))
        return (hu - low) / (high - low)

    def _exact(self, between: Between, hu: int, firsts: np.ndarray, after: int) -> np.ndarray:
        """`from_hu` between firsts[after - 1] and firsts[after]; one of them is listed."""
        below, most = int(firsts[after - 1]), sys.maxsize
        down = between.count(below, hu) if below >= LISTED_HU else most
        up = between.count(hu, int(firsts[after])) if after < len(firsts) else most
        if down < up:
            return between.add(self.above[after - 1].T, below, hu, -1)
        if up < most:
            return between.add(self.above[after].T, hu, int(firsts[after]), 1)
        none = np.zeros(self.above.shape[:0:-1], np.float32)
        return between.add(none, hu, 32000, 1)

    def window(self, low: float, high: float = np.inf) -> np.ndarray:
        """Line integrals of the voxels with low <= HU < high, (rows, columns) float32.

        For a window that holds its upper bound, as `BoneConfig` means it, ask for high + 1: HU are
        whole numbers here.
        """
        if high == np.inf:
            return self.from_hu(low)
        bounds = (float(low), float(high))
        ends = {hu: self.kept[hu] if hu in self.kept else self.from_hu(hu) for hu in bounds}
        self.kept.clear()
        self.kept.update(ends)
        return ends[bounds[0]] - ends[bounds[1]]


def between_edges(
    prepared: PreparedParts, lines: Lines, size: tuple[int, int], lengths: np.ndarray, scale: float
) -> Between:
    """What a view of a CT by rays `lines` needs for HU that are no edges."""
    from .refine import column_paths, view_of
    from .sparse import sparse_of

    straight = structure(lines, size) != "any"
    view = view_of(lines.start, lines.end, size, straight)
    grid = prepared.whole.grid
    paths = column_paths(grid.counts, lines, size[1] if straight else 0).reshape(-1)
    return Between(grid.counts, sparse_of(prepared), view, paths, lengths, scale)
