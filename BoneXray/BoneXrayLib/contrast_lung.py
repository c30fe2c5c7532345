"""Vessels in the lung: many are too thin for anything but their place to tell them from bone."""

from __future__ import annotations

import numpy as np

from .body import CoarseMask

LUNG_HU, LUNG_MM, LUNG_CM3 = -500.0, 12.0, 200.0
LUNG_SHARE = 0.7
"""More of the ways out than that end in lung: a vessel in the lung. For a rib it is half."""
OPEN_AIR_HU = -985
"""Below: air outside the body."""
VESSEL_HU = 150.0
"""A block whose greatest HU is above this may pass a bone threshold."""


def lung_vessels(
    mean: np.ndarray, top: np.ndarray, size_mm: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Bright blocks with lung all around, (K, J, I) bool.

    Args:
        mean: (K, J, I) int16, HU of blocks.
        top: (K, J, I) int16, the greatest HU in each.
        size_mm: of a block along (K, J, I).
        steps: (n, 3), directions, one step in blocks.
    """
    from scipy import ndimage

    from .contrast_kernels import reach_shares

    every = np.maximum(np.rint(5.0 / size_mm).astype(int), 1)
    picked = tuple(slice(int(n) // 2, None, int(n)) for n in every)
    air = (mean[picked] < LUNG_HU) & (mean[picked] > OPEN_AIR_HU)
    deep = ndimage.distance_transform_edt(air, sampling=size_mm * every) > LUNG_MM
    pieces, count = ndimage.label(deep)
    cm3 = np.bincount(pieces.ravel(), minlength=count + 1) * (size_mm * every).prod() / 1000
    cm3[0] = 0
    if not (cm3 > LUNG_CM3).any():
        return np.zeros(mean.shape, dtype=bool)
    from_lung = ndimage.distance_transform_edt(~(cm3 > LUNG_CM3)[pieces], sampling=size_mm * every)
    block = (int(every[0]), int(every[1]), int(every[2]))
    region = CoarseMask(from_lung <= 2 * LUNG_MM, block)
    around = np.stack([region.slab(k, mean.shape) for k in range(len(mean))])
    lung = around & (mean < LUNG_HU)
    bright = around & (top > VESSEL_HU) & (mean > LUNG_HU)
    points = np.ascontiguousarray(np.argwhere(bright))
    step_mm = np.linalg.norm(steps[0] * size_mm)
    shares = reach_shares(lung, points, steps, int(LUNG_MM / step_mm))
    found = np.zeros(mean.shape, dtype=bool)
    found[tuple(points[shares > LUNG_SHARE].T)] = True
    return found
