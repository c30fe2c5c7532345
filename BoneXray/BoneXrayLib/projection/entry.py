"""The one entry to projection: parts and a geometry in, one image of line integrals a part out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..attenuation import MU_WATER_70KEV, check_mu_water
from ..bone import Parts
from ..geometry import Geometry
from ..progress import Cancelled
from .rays import voxel_rays

ROWS_A_BLOCK = 64


def project(
    parts: Parts,
    geometry: Geometry,
    mu_water: float = MU_WATER_70KEV,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> np.ndarray:
    """Line integrals of μ (optical density, no unit) of each part, (parts, rows, columns) float32.

    Order as `parts.names`: the rest first, then the bones. Their sum is the whole radiograph.
    Voxels outside the grid are air. Only what lies between source and detector counts.

    Raises:
        ValueError: `mu_water` is not a positive number.
        Cancelled: `is_cancelled()` became true between two blocks of rows.
    """
    from .cpu import project_rows

    check_mu_water(mu_water)
    rays = voxel_rays(geometry, parts.ijk_to_ras)
    rows, columns = geometry.size
    out = np.zeros((len(parts.names), rows, columns), dtype=np.float32)
    has_fraction = parts.fraction is not None
    fraction = parts.fraction if has_fraction else np.zeros(1, dtype=np.uint8)
    flat = [np.ascontiguousarray(a).reshape(-1) for a in (parts.hu, parts.part, fraction)]
    counts = parts.hu.shape[::-1]
    for first in range(0, rows, ROWS_A_BLOCK):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled("projection cancelled")
        last = min(first + ROWS_A_BLOCK, rows)
        project_rows(
            out, first, last, *flat, has_fraction, counts, rays.start, rays.end, rays.metric
        )
        if progress is not None:
            progress(last / rows, "projecting")
    out *= np.float32(mu_water / 1000.0)
    return out
