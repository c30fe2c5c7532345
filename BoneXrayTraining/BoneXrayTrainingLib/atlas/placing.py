"""Similarities: turned, moved and scaled in one; and bones placed by the points around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..mesh_ct.meshes import Mesh

NEAR_MM = 25.0
"""Points this far from a bone have a say in how it lies at first."""
OWN = 4.0
"""How much more a bone's own points say."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Points that lie on one another.

    Attributes:
        mesh: (N, 3) on the meshes, RAS mm.
        ct: (N, 3) in the CT, RAS mm.
        names: (N,) of the mesh each is on.
    """

    mesh: np.ndarray
    ct: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Similarity:
    """x -> scale * rotation @ x + shift; rotation (3, 3), shift (3,) mm."""

    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in their new places."""
        return self.scale * points @ self.rotation.T + self.shift


def similarity(
    before: np.ndarray,
    after: np.ndarray,
    weights: np.ndarray,
    scales: tuple[float, float] = (0.1, 10.0),
) -> Similarity:
    """The similarity that brings points (N, 3) nearest to others, squares weighted (N,).

    Umeyama, IEEE Trans. PAMI 13(4), 1991; the scale kept within `scales`.
    """
    share = weights / weights.sum()
    from_middle, to_middle = share @ before, share @ after
    p, q = before - from_middle, after - to_middle
    u, stretch, v = np.linalg.svd((q * share[:, None]).T @ p)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = u @ np.diag(sign) @ v
    size = float(share @ (p**2).sum(axis=1))
    scale = float(np.clip((stretch * sign).sum() / size, *scales)) if size > 0 else 1.0
    return Similarity(scale, rotation, to_middle - scale * rotation @ from_middle)


def stretched(
    before: np.ndarray,
    after: np.ndarray,
    weights: np.ndarray,
    stiff: float,
    scales: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """The affine move, matrix (3, 3) and shift (3,), that brings points nearest to others.

    Least squares with a pull of `stiff` towards a similarity; along a long bone, where points are
    far from the middle, the pull is felt least. The cube root of its determinant is kept within
    `scales`.
    """
    move = similarity(before, after, weights, scales)
    share = weights / weights.sum()
    from_middle, to_middle = share @ before, share @ after
    p, q = before - from_middle, after - to_middle
    spread = (p * share[:, None]).T @ p
    hold = stiff * np.trace(spread) / 3
    both = (q * share[:, None]).T @ p + hold * move.scale * move.rotation
    matrix = both @ np.linalg.inv(spread + hold * np.eye(3))
    size = np.cbrt(np.linalg.det(matrix))
    matrix *= np.clip(size, *scales) / size
    return matrix, to_middle - matrix @ from_middle


def placed(meshes: list[Mesh], points: Landmarks) -> list[Mesh]:
    """Each mesh moved as the points say, those near it most, and a short one onto its own.

    Schaefer, McPhail, Warren: Image deformation using moving least squares, ACM TOG 25(3), 2006;
    one similarity a bone.
    """
    whole = similarity(points.mesh, points.ct, np.ones(len(points.mesh)))
    limits = (0.75 * whole.scale, 1.33 * whole.scale)
    out = []
    for mesh in meshes:
        gaps = points.mesh[:, None] - mesh.vertices[None, :: max(1, len(mesh.vertices) // 200)]
        away = np.linalg.norm(gaps, axis=2).min(axis=1) * whole.scale
        # What is far keeps a little weight: few points near may all lie in one line.
        weights = np.exp(-((away / NEAR_MM) ** 2)) + 1e-3
        own = np.array([name == mesh.name for name in points.names])
        weights[own] *= OWN
        move = similarity(points.mesh, points.ct, weights, limits)
        vertices = move(mesh.vertices)
        if own.sum() == 1:
            vertices = vertices + (points.ct[own] - move(points.mesh[own]))[0]
        out.append(mesh.moved(vertices))
    return out
