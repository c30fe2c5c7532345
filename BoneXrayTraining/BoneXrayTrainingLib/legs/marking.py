"""A bone's surface marked as a shape model marks its shapes: the model is laid over it.

Landmarks that are found by a surface's geometry alone are not quite those of a model; a network
that learned the one and is measured by the other would look worse than it is.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from BoneXrayLib.shape_model import ShapeModel

from ..mesh_ct.meshes import Mesh
from .landmarks import Marks

ROUNDS = 16
STIFF_MM = 3.0
"""How far the surface may be at one standard deviation of a mode; ten times that at first, so that
the first rounds only move the whole."""
FAR_MM = 6.0
"""What is farther off counts no more than if it were so far."""


def model_marks(model: ShapeModel, mesh: Mesh, first: Marks) -> Marks:
    """Landmarks and spheres of a model of right bones on a surface, RAS mm.

    Shape and pose follow together from the distances along the surface's normals (Y. Chen and
    G. Medioni, Image and Vision Computing 10 (1992) 145), which let a shaft slide along itself.

    Args:
        model: of the same bone.
        mesh: dense enough that the nearest vertex stands for the surface.
        first: landmarks of the same names, about right, to begin from.
    """
    model = model.of_side("right")
    about = model.landmarks(model.mean)
    names = sorted(set(about) & set(first.points))
    turn, shift = rigid(
        np.array([about[n] for n in names]), np.array([first.points[n] for n in names])
    )
    normals, tree = vertex_normals(mesh), KDTree(mesh.vertices)
    modes = model.modes * model.deviations[:, None, None]
    found = np.zeros(model.count)
    for number in range(ROUNDS):
        here = model.shape(found) @ turn.T + shift
        near = tree.query(here)[1]
        normal = normals[near]
        gap = ((mesh.vertices[near] - here) * normal).sum(axis=1)
        middle = here.mean(axis=0)
        system = np.column_stack(
            [np.cross(here - middle, normal), normal, np.einsum("vc,mvc->vm", normal @ turn, modes)]
        )
        weight = np.minimum(1.0, FAR_MM / np.maximum(np.abs(gap), 1e-9))[:, None]
        stiff = np.zeros(system.shape[1])
        stiff[6:] = (STIFF_MM * max(1.0, 10.0 - 2.0 * number)) ** 2
        right = system.T @ (weight[:, 0] * gap)
        right[6:] -= stiff[6:] * found
        step = np.linalg.solve(system.T @ (weight * system) + np.diag(stiff + 1e-6), right)
        by = Rotation.from_rotvec(step[:3]).as_matrix()
        turn, shift = by @ turn, by @ (shift - middle) + middle + step[3:6]
        found = found + step[6:]
    shape = model.shape(found)
    return Marks(model.landmarks(shape), model.spheres(shape)).moved(turn, shift)


def vertex_normals(mesh: Mesh) -> np.ndarray:
    """Unit vectors (N, 3) across the surface at its vertices, larger triangles counting more."""
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(mesh.vertices)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(mesh.faces[:, corner], across[:, axis], len(total))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def rigid(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and shift (3,) that bring points (N, 3) nearest to others (W. Kabsch)."""
    middles = one.mean(axis=0), other.mean(axis=0)
    u, _, vt = np.linalg.svd((one - middles[0]).T @ (other - middles[1]))
    turn = vt.T @ np.diag([1.0, 1.0, np.linalg.det(vt.T @ u.T)]) @ u.T
    return turn, middles[1] - turn @ middles[0]
