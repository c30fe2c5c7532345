"""Any window of HU without projecting again: line integrals sorted into bins of HU, once a view."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..attenuation import MU_WATER_70KEV, check_mu_water
from ..geometry import Geometry
from ..progress import IsCancelled
from .binned_view import BinnedView, between_edges
from .prepared import PackedVolume, PreparedParts, _bits, axis_order
from .rays import Lines, packed_lines, structure, voxel_rays
from .workers import in_blocks

if TYPE_CHECKING:
    from .sparse import Bins

COLUMNS_A_BLOCK = 16
MAX_EDGES = 254

EDGES = 48
"""How many edges a view gets that are not asked for: 48 MiB at 512 × 512 pixels, 192 MiB at 1024².

With the CT, its packed copy and the list of its voxels of 100 HU and more this stays just below
2.5 times a chest CT of 512³ voxels.
"""


def even_edges(prepared: PreparedParts, count: int = EDGES) -> np.ndarray:
    """Edges [HU] for this CT, `count` at most: -1000, then from 100 on as many voxels in each bin.

    What lies between an edge and a threshold is looked at voxel by voxel: so no step takes long.
    """
    from .sparse import FINE, sparse_of

    ranks = sparse_of(prepared).ranks
    wanted = np.linspace(0, ranks[-1], count - 1, endpoint=False)
    values = np.searchsorted(ranks, wanted, side="right") - 1
    return np.unique(np.append([0, FINE], values[1:])).astype(np.float64) - 1000.0


def is_straight(geometry: Geometry, ijk_to_ras: np.ndarray) -> bool:
    """Whether a view has no tilt to a CT: each detector column lies along the CT's long axis."""
    rays = voxel_rays(geometry, ijk_to_ras)
    return structure(packed_lines(rays, axis_order(ijk_to_ras), (0, 0, 0)), rays.size) != "any"


def project_bins(
    prepared: PreparedParts,
    geometry: Geometry,
    edges: tuple[float, ...] | np.ndarray | None = None,
    mu_water: float = MU_WATER_70KEV,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: IsCancelled | None = None,
    out: np.ndarray | None = None,
) -> BinnedView:
    """Project a CT once, sorted by HU of its voxels, so that windows follow a slider.

    Couch, and from 100 HU on contrast medium, are gone where the parts were made without them.
    Bone is by HU alone here: specks, which
    the cleaning presets drop, are still there, for which pieces are specks depends on the window.
    The first call for a CT lists its voxels of 100 HU and more, 8 bytes each.

    Args:
        prepared: the CT; its division into parts does not matter.
        geometry: the view.
        edges: [HU], ascending, at most 254; voxels below the first are never counted. None:
            `even_edges`.
        mu_water: attenuation of water [1/mm].
        progress: told fraction and message.
        is_cancelled: asked between blocks of columns.
        out: `above` of an earlier view of this size and as many edges, to use again.

    Raises:
        ValueError: edges that do not ascend, or too many; a wrong `mu_water`; an `out` that is
            no earlier view's; a tilted view of a CT whose contrast medium is left out.
        Cancelled: `is_cancelled()` became true.
    """
    check_mu_water(mu_water)
    edges = _checked(even_edges(prepared) if edges is None else edges)
    rays = voxel_rays(geometry, prepared.ijk_to_ras)
    packed = prepared.whole
    lines = packed_lines(rays, packed.order, packed.origin)
    straight = structure(lines, rays.size) != "any"
    if not straight and prepared.contrast_removed:
        raise ValueError(
            "geometry: a tilted view; expected one without tilt where contrast medium is left out"
        )
    scale = 65535.0 / max(packed.largest, 1) if straight else 0.0
    sums = _room_for((*rays.size, len(edges)), out)
    lengths = np.empty((rays.size[1], rays.size[0]), np.float32)
    fill = _kernel(prepared, lines, edges, rays.size[0], scale, mu_water / 1000.0)

    def tell(fraction: float) -> None:
        if progress is not None:
            progress(fraction, "projecting")

    in_blocks(
        lambda first, last: fill(sums, lengths, first, last),
        rays.size[1],
        COLUMNS_A_BLOCK,
        tell,
        is_cancelled,
    )
    between = between_edges(prepared, lines, rays.size, lengths, scale or 1.0)
    return BinnedView(sums.transpose(1, 2, 0) if out is None else out, edges, between)


def _room_for(size: tuple[int, int, int], out: np.ndarray | None) -> np.ndarray:
    """(columns, edges, rows) float32 for a view of (rows, columns, edges), in `out` if given."""
    rows, columns, edges = size
    if out is None:
        return np.empty((columns, edges, rows), np.float32)
    sums = out.transpose(2, 0, 1) if out.ndim == 3 else out
    if sums.shape != (columns, edges, rows) or not sums.flags.c_contiguous:
        raise ValueError(
            f"out: got an array of shape {out.shape}; expected `above` of an earlier view of"
            f" {rows} × {columns} pixels with {edges} edges"
        )
    return sums


def _kernel(
    prepared: PreparedParts, lines: Lines, edges: np.ndarray, rows: int, scale: float, gain: float
) -> Callable[[np.ndarray, np.ndarray, int, int], None]:
    """fill(sums, lengths, first, last) for columns first:last; `scale` 0: rays in any pose."""
    from .binned import bin_separable
    from .binned_any import bin_any
    from .sparse import sparse_of

    packed = prepared.whole
    grid, sparse, bins = packed.grid, sparse_of(prepared), _bins(packed, edges, rows)
    if scale > 0.0:
        return lambda sums, lengths, first, last: bin_separable(
            sums, lengths, first, last, grid, lines, bins, sparse, scale, gain
        )
    return lambda sums, lengths, first, last: bin_any(
        sums, lengths, first, last, grid, lines, bins, gain
    )


def _bins(packed: PackedVolume, edges: np.ndarray, rows: int) -> Bins:
    """Which values and which cells belong to which bin."""
    from .grid import LANES
    from .packing import LARGEST
    from .sparse import FINE, MARGIN, Bins

    firsts = np.clip(np.ceil(edges + 1000.0), 0, LARGEST + 1).astype(np.int32)
    wide = int(np.searchsorted(firsts, FINE))
    starts = np.append(firsts[:wide], np.int32(LARGEST + 1))
    met = [(packed.highest >= a) & (packed.lowest < b) for a, b in pairwise(starts)]
    listed = (packed.highest >= FINE) & (wide < len(edges))
    bits = np.stack([_bits(cells & (packed.highest > 0)) for cells in (*met, listed)])
    room = -(-rows // LANES) * LANES + 3 * MARGIN
    found = np.searchsorted(firsts, np.arange(LARGEST + 1), side="right") - 1
    found[found < wide] = len(edges)
    return Bins(bits, starts, (found * room).astype(np.int32), room)


def _checked(edges: tuple[float, ...] | np.ndarray) -> np.ndarray:
    found = np.asarray(edges, dtype=np.float64)
    if found.ndim != 1 or not 2 <= len(found) <= MAX_EDGES or not (np.diff(found) > 0).all():
        raise ValueError(
            f"edges: got {found.size} values; expected 2 to {MAX_EDGES} ascending numbers [HU]"
        )
    return found
