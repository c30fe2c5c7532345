"""Scattered radiation: a thickness-dependent kernel, and the grid that holds most of it back.

Every pixel's primary radiation P sends out scatter in proportion to the mass t in its way,
P · `SCATTER_PER_GRAM` · t, which arrives around it as a wide Gaussian (the form that Boone, Arnold
and Seibert, Med. Phys. 13, 254, 1986, found for the scatter point spread). Behind a wide slab the
scatter-to-primary ratio is then `SCATTER_PER_GRAM` · t; behind a dense part beside a clear one it
is far more, as scatter of the bright side arrives there: in chest radiographs without a grid 90 %
of what reaches the mediastinum is scatter (Niklason et al., Med. Phys. 8, 1981).
"""

from __future__ import annotations

import math

import numpy as np

from .thicknesses import Thicknesses

SCATTER_PER_GRAM = 4.51 / (30.0 * 1.19)
"""Scatter-to-primary ratio per mass in the way [1/(g/cm²)]: 4.51 behind 30 cm of acrylic (1.19
g/cm³) without grid (Altunbas et al., Med. Phys. 43(6), WE-AB-207A-10, 2016; cone-beam CT, whose
air gap is wide: directly behind a patient there is rather more). Linear in between: our choice."""
GRID_PRIMARY, GRID_SCATTER = 0.706, 0.21
"""Shares that a grid of 10:1 lets through (the same measurement: 4.51 falls to 1.28)."""
WIDTH_MM = 30.0
"""Standard deviation of the kernel at the detector: our choice. Chests then have 83 to 85 % scatter
behind the mediastinum and half behind the lung, without a grid; a wider one brings the former
nearer to the measured 90 %, and more than was ever measured behind a pelvis."""
SMALLEST_SIDE = 48


def scattered(
    primary: np.ndarray,
    thicknesses: Thicknesses,
    pixel_mm: tuple[float, float],
    per_gram: float = SCATTER_PER_GRAM,
    width_mm: float = WIDTH_MM,
) -> np.ndarray:
    """Scatter signal [keV] at the detector without a grid, (rows, columns) float32.

    Nothing comes from beyond the image, where the collimator is. Made in large pixels, as it has
    no detail. A kernel that ends within the image neither makes nor loses scatter.

    Args:
        primary: (rows, columns) primary signal.
        thicknesses: (rows, columns) [g/cm²] by material.
        pixel_mm: (row, column) at the detector.
        per_gram: scatter-to-primary ratio per mass [1/(g/cm²)].
        width_mm: standard deviation of the kernel.
    """
    from scipy import ndimage

    tissue = [image for name, image in thicknesses.items() if name != "lead"]
    sent = primary * (np.float32(per_gram) * np.sum(tissue, axis=0, dtype=np.float32))
    counts = [_blocks(n, p, width_mm) for n, p in zip(sent.shape, pixel_mm, strict=True)]
    down, right = (_means(n, k) for n, k in zip(sent.shape, counts, strict=True))
    sides = [n * p / k for n, p, k in zip(sent.shape, pixel_mm, counts, strict=True)]
    spread = ndimage.gaussian_filter(
        down @ sent @ right.T, [width_mm / s for s in sides], mode="constant", truncate=4.0
    )
    down, right = (_between(n, k) for n, k in zip(sent.shape, counts, strict=True))
    return down @ spread @ right.T


def _blocks(count: int, pixel_mm: float, width_mm: float) -> int:
    """How many blocks stand for `count` pixels: an eighth of the kernel each, or smaller."""
    return min(count, max(SMALLEST_SIDE, math.ceil(8.0 * count * pixel_mm / width_mm)))


def _means(count: int, blocks: int) -> np.ndarray:
    """Matrix (blocks, count) of means over equal blocks, which may cut pixels."""
    ends = np.linspace(0.0, count, blocks + 1)
    pixel = np.arange(count)
    overlap = np.minimum(ends[1:, None], pixel + 1) - np.maximum(ends[:-1, None], pixel)
    return (np.maximum(overlap, 0.0) * (blocks / count)).astype(np.float32)


def _between(count: int, blocks: int) -> np.ndarray:
    """Matrix (count, blocks), linear between the middles of the blocks."""
    at = np.clip((np.arange(count) + 0.5) * blocks / count - 0.5, 0.0, blocks - 1.0)
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(blocks))).astype(np.float32)
