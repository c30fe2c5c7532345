"""Smooth deformations of a surface as a Gaussian process of few dimensions.

    u(x) ~ GP(0, k),   k(x, y) = Σ_s a_s² exp(-|x - y|² / (2 s²)),   the same for each axis

In a basis Φ (V, R) with Φ Φᵀ = k on the surface's vertices, u = Φ C with C (R, 3) ~ N(0, 1).

References: Lüthi, Gerig, Jud, Vetter: Gaussian process morphable models. IEEE TPAMI 40 (2018).
Williams, Seeger: Using the Nyström method to speed up kernel machines. NIPS (2000).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

LEAST_SHARE = 1e-6
"""Of the variance that the first deformation has: those of less are left out."""


def kernel(one: np.ndarray, other: np.ndarray, scales: Mapping[float, float]) -> np.ndarray:
    """Covariance (N, M) mm² between places (N, 3) and (M, 3) of amplitudes by scale, both mm."""
    squared = cdist(one, other, "sqeuclidean")
    parts = [a**2 * np.exp(squared / (-2.0 * scale**2)) for scale, a in scales.items()]
    return np.sum(parts, axis=0)


def kernel_basis(
    vertices: np.ndarray, scales: Mapping[float, float], rank: int, points: int = 900
) -> np.ndarray:
    """Basis (V, R) of deformations of vertices (V, 3), R at most `rank`, by Nyström's method."""
    count = min(points, len(vertices))
    at = spread(vertices, count)
    # A few of many are found sooner alone, more of them sooner with all others.
    asked = (count - rank, count - 1) if 5 * rank < count else None
    values, vectors = eigh(kernel(vertices[at], vertices[at], scales), subset_by_index=asked)
    kept = np.flatnonzero(values > LEAST_SHARE * values[-1])[::-1][:rank]
    across = kernel(vertices, vertices[at], scales)
    return across @ (vectors[:, kept] / np.sqrt(values[kept]))


def spread(vertices: np.ndarray, count: int) -> np.ndarray:
    """Numbers of `count` vertices far from each other, each the farthest from those before it."""
    found = np.zeros(count, dtype=int)
    away = np.linalg.norm(vertices - vertices.mean(axis=0), axis=1)
    found[0] = away.argmax()
    away = np.full(len(vertices), np.inf)
    for n in range(1, count):
        step = ((vertices - vertices[found[n - 1]]) ** 2).sum(axis=1)
        away = np.minimum(away, step)
        found[n] = away.argmax()
    return found
