"""The slow, exact projector that the fast ones are held against.

Between two neighbouring grid planes the trilinear interpolant along a straight ray is a cubic
polynomial, and Gauss-Legendre quadrature with two points integrates cubics exactly. So cutting a
ray at every grid plane and taking two samples a piece gives the exact line integral of the
trilinearly interpolated volume, in float64.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from ..attenuation import MU_WATER_70KEV, mu_from_hu
from ..bone import Parts
from ..geometry import Geometry
from .rays import voxel_rays

GAUSS_NODES = (0.5 - 0.5 / np.sqrt(3.0), 0.5 + 0.5 / np.sqrt(3.0))


def project_exact(
    parts: Parts,
    geometry: Geometry,
    mu_water: float = MU_WATER_70KEV,
    pixels: np.ndarray | None = None,
) -> np.ndarray:
    """Exact line integrals of the trilinear interpolant of each part.

    Args:
        parts: as for `project`.
        geometry: as for `project`.
        mu_water: attenuation of water [1/mm].
        pixels: (N, 2) rows and columns to compute; all of the detector when None.

    Returns:
        (parts, N) float64, or (parts, rows, columns) when `pixels` is None.
    """
    rays = voxel_rays(geometry, parts.ijk_to_ras)
    every = pixels is None
    if pixels is None:
        pixels = np.argwhere(np.ones(rays.size))
    mu = _part_volumes(parts, mu_water)
    out = np.empty((len(parts.names), len(pixels)))
    for n, pixel in enumerate(np.asarray(pixels, dtype=np.float64)):
        weights = np.array([1.0, *pixel])
        out[:, n] = _integrate(mu, weights @ rays.start, weights @ rays.end, rays.metric)
    return out.reshape(len(parts.names), *rays.size) if every else out


def _part_volumes(parts: Parts, mu_water: float) -> list[np.ndarray]:
    """μ of each part, (k, j, i) float64 with a rim of air; their sum is μ of the whole."""
    mu = mu_from_hu(parts.hu, mu_water).astype(np.float64)
    share = 1.0 if parts.fraction is None else parts.fraction / 255.0
    bones = [np.where(parts.part == n, mu * share, 0.0) for n in range(1, len(parts.names))]
    return [np.pad(volume, 1) for volume in (mu - sum(bones, np.zeros_like(mu)), *bones)]


def _integrate(
    mu: list[np.ndarray], start: np.ndarray, end: np.ndarray, metric: np.ndarray
) -> np.ndarray:
    ray = end - start
    cuts = [0.0, 1.0]
    for a, count in enumerate(mu[0].shape[::-1]):
        if abs(ray[a]) > 1e-12:
            planes = (np.arange(-1, count - 1) - start[a]) / ray[a]
            cuts.extend(planes[(planes > 0) & (planes < 1)])
    edges = np.sort(np.asarray(cuts))
    width = np.diff(edges)
    at = np.concatenate([edges[:-1] + g * width for g in GAUSS_NODES])
    index = (start[:, None] + ray[:, None] * at)[::-1] + 1.0
    half = np.tile(0.5 * width, 2) * np.sqrt(ray @ metric @ ray)
    return np.array(
        [half @ map_coordinates(volume, index, order=1, mode="constant", cval=0.0) for volume in mu]
    )
