"""Fewer voxels and larger pixels: what a preview makes of a CT and a detector."""

from __future__ import annotations

import numpy as np

from .body import CoarseMask
from .drr import DrrConfig, exposure_geometry
from .geometry import Geometry, coarser
from .volume import Volume

COARSE_MM = 2.0
"""Voxels are left out up to this spacing, which the pixels of a coarse preview do not resolve."""
LARGEST_PIXEL_MM, SMALLEST_SIDE = 10.0, 16
"""Beyond these, `Radiograph` takes nothing for a radiograph."""


def preview_geometry(config: DrrConfig, volume: Volume, longest_side: int | None) -> Geometry:
    """Where source and detector stand, the detector in pixels as large as a preview needs.

    Without `longest_side` it is the detector as it is.

    Raises:
        FileNotFoundError, ValueError: as `exposure_geometry`.
    """
    geometry = exposure_geometry(config, volume)
    if longest_side is None:
        return geometry
    factor = min(
        max(geometry.size) / longest_side,
        LARGEST_PIXEL_MM / max(geometry.pixel_mm),
        min(geometry.size) / SMALLEST_SIDE,
    )
    return geometry if factor <= 1 else coarser(geometry, round(max(geometry.size) / factor))


def thinned(volume: Volume, labels: np.ndarray | None) -> tuple[Volume, np.ndarray | None]:
    """Every n-th voxel along each axis, to `COARSE_MM` at most; labels alike.

    Leaving voxels out, unlike averaging them, keeps thin bone above its threshold.
    """
    steps = _steps(volume)
    every = tuple(slice(step // 2, None, step) for step in steps[::-1])
    ijk_to_ras = volume.ijk_to_ras.copy()
    ijk_to_ras[:3, 3] += ijk_to_ras[:3, :3] @ [step // 2 for step in steps]
    ijk_to_ras[:3, :3] *= steps
    fewer = Volume(np.ascontiguousarray(volume.hu[every]), ijk_to_ras, volume.name, volume.notes)
    return fewer, None if labels is None else np.ascontiguousarray(labels[every])


def thinned_mask(mask: CoarseMask, volume: Volume) -> CoarseMask:
    """A mask on blocks of the CT's voxels as one of each voxel that `thinned` keeps."""
    kept = [
        np.minimum(np.arange(step // 2, n, step) // block, blocks - 1)
        for step, n, block, blocks in zip(
            _steps(volume)[::-1], volume.hu.shape, mask.block, mask.mask.shape, strict=True
        )
    ]
    return CoarseMask(mask.mask[np.ix_(*kept)], (1, 1, 1))


def _steps(volume: Volume) -> list[int]:
    """Of how many voxels along i, j and k one is kept."""
    steps = [max(1, int(COARSE_MM / mm)) for mm in volume.spacing_mm]
    return [min(s, n // 2) for s, n in zip(steps, volume.hu.shape[::-1], strict=True)]
