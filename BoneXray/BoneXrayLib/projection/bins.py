"""Any window of HU without projecting again: line integrals sorted into bins of HU, once a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..attenuation import MU_WATER_70KEV, check_mu_water
from ..geometry import Geometry
from ..progress import IsCancelled
from .prepared import PackedVolume, PreparedParts
from .rays import packed_lines, structure, voxel_rays
from .workers import in_blocks

COLUMNS_A_BLOCK = 16
MAX_EDGES = 254

DEFAULT_EDGES: tuple[float, ...] = (
    *(-1000.0, -200.0, 0.0),
    *np.arange(100.0, 601.0, 10.0).tolist(),
    *np.arange(650.0, 1001.0, 50.0).tolist(),
    *(1300.0, 2000.0),
)
"""64 edges [HU], every 10 HU where thresholds of bone are dragged: a slider of that step is exact.

64 MiB at 512 × 512 pixels, 256 MiB at 1024 × 1024.
"""


@dataclass(frozen=True, eq=False)
class BinnedView:
    """One view of a CT for every window of HU.

    Attributes:
        above: (edges, rows, columns) float32, line integral of μ over the voxels at or above each
            edge. 4 bytes × edges × pixels of memory.
        edges: (edges,) [HU], ascending.
    """

    above: np.ndarray
    edges: np.ndarray

    def from_hu(self, low: float) -> np.ndarray:
        """Line integrals of the voxels of `low` HU and more, (rows, columns) float32.

        Exact where `low` is an edge, between two edges linear, above the last edge that of the
        last, below the first that of the first.
        """
        place = float(np.interp(low, self.edges, np.arange(len(self.edges))))
        below = min(int(place), len(self.edges) - 2)
        part = np.float32(place - below)
        if part == 0.0:
            return self.above[below].copy()
        image = self.above[below + 1] - self.above[below]
        image *= part
        image += self.above[below]
        return image

    def window(self, low: float, high: float = np.inf) -> np.ndarray:
        """Line integrals of the voxels with low <= HU < high, (rows, columns) float32.

        For a window that holds its upper bound, as `BoneConfig` means it, ask for high + 1: HU are
        whole numbers here.
        """
        image = self.from_hu(low)
        if high != np.inf:
            image -= self.from_hu(high)
        return image


def project_bins(
    prepared: PreparedParts,
    geometry: Geometry,
    edges: tuple[float, ...] | np.ndarray = DEFAULT_EDGES,
    mu_water: float = MU_WATER_70KEV,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: IsCancelled | None = None,
    out: np.ndarray | None = None,
) -> BinnedView:
    """Project a CT once, sorted by HU of its voxels, so that windows follow a slider.

    The couch is gone where the parts were made without it. Bone is by HU alone here: specks, which
    the cleaning presets drop, are still there, for which pieces are specks depends on the window.

    Args:
        prepared: the CT; its division into parts does not matter.
        geometry: the view.
        edges: [HU], ascending, at most 254. Voxels below the first are never counted.
        mu_water: attenuation of water [1/mm].
        progress: told fraction and message.
        is_cancelled: asked between blocks of columns.
        out: (edges, rows, columns) float32 to use again for `above`.

    Raises:
        ValueError: edges that do not ascend, or too many; a wrong `mu_water`.
        Cancelled: `is_cancelled()` became true.
    """
    check_mu_water(mu_water)
    edges = _checked(edges)
    rays = voxel_rays(geometry, prepared.ijk_to_ras)
    packed = prepared.whole
    lines, grid = packed_lines(rays, packed.order, packed.origin), packed.grid
    starts, table, cells = _sorting(packed, edges)
    if out is None:
        out = np.empty((len(edges), *geometry.size), np.float32)
    gain = mu_water / 1000.0
    straight = structure(lines, rays.size) != "any"
    scale = 65535.0 / max(packed.largest, 1)

    def work(first: int, last: int) -> None:
        if straight:
            from .binned import bin_separable

            bin_separable(out, first, last, grid, lines, cells, starts, table, scale, gain)
        else:
            from .binned_any import bin_any

            bin_any(out, first, last, grid, lines, cells, starts, table, gain)

    def tell(fraction: float) -> None:
        if progress is not None:
            progress(fraction, "projecting")

    in_blocks(work, rays.size[1], COLUMNS_A_BLOCK, tell, is_cancelled)
    return BinnedView(out, edges)


def _checked(edges: tuple[float, ...] | np.ndarray) -> np.ndarray:
    found = np.asarray(edges, dtype=np.float64)
    if found.ndim != 1 or not 2 <= len(found) <= MAX_EDGES or not (np.diff(found) > 0).all():
        raise ValueError(
            f"edges: got {found.size} values; expected 2 to {MAX_EDGES} ascending numbers [HU]"
        )
    return found


def _sorting(packed: PackedVolume, edges: np.ndarray) -> tuple[np.ndarray, ...]:
    """First value of each bin and the end, the bin of each value, lowest and highest in cells."""
    first = np.clip(np.ceil(edges + 1000.0), 0, 32768).astype(np.int32)
    starts = np.concatenate([[0], first, [32768]]).astype(np.int32)
    table = np.searchsorted(first, np.arange(32768), side="right").astype(np.uint8)
    cells = np.stack([table[packed.lowest], table[packed.highest]])
    cells[1][packed.highest == 0] = 0
    return starts, table, cells
