"""What a part of a bone tells of the whole: posterior of a Gaussian process, given that part.

A whole bone is x = m + F c with c ~ N(0, 1). Where a part of its surface is known, c is again
normal, with a mean and a covariance C of its own: what is missing is what usually comes with the
known part, and how little is known of it stays in C. Both enter the covariance of a model:

    Σ = (ν K + Σ_whole d dᵀ + Σ_part (μ μᵀ + C)) / (ν + N)

which is the step of an expectation maximisation with the prior K worth ν subjects.

Reference: Albrecht, Lüthi, Gerig, Vetter: Posterior shape models. Medical Image Analysis 17 (2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import KDTree

from ..mesh_ct.meshes import Mesh
from .alignment import aligned, fitted
from .correspondence import LEAST_FACING, TANGENTIAL
from .covariance import rigid_basis
from .surface import Cloud, vertex_normals

ROUNDS = 25
START_MM = 6.0
BACK = 4000
"""Points of a part that look for vertices."""
REACH = 3.0
"""Points farther from each other than so many times the noise expected weigh little."""
RIGID_MM = 1000.0
"""How a part lies is unknown: a rigid move may do this much."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known of a whole bone.

    Attributes:
        vertices: (V, 3) mm, the likeliest, rigidly laid onto the mean.
        in_place: the same where the part is.
        covariance: (Q + 6, Q + 6) of the coefficients of the model's root and of rigid moves.
        known: (V,) bool, the vertices that were seen.
        distance: mm, mean of the part's points to the likeliest bone.
    """

    vertices: np.ndarray
    in_place: np.ndarray
    covariance: np.ndarray
    known: np.ndarray
    distance: float


def posterior(mean: Mesh, root: np.ndarray, part: Cloud, noise: float) -> Posterior:
    """The whole bone of a part.

    Args:
        mean: of the model; the part lies about as it does, but elsewhere.
        root: (3 V, Q) of the model's covariance.
        part: surface; where it has an open border, the bone goes on.
        noise: standard deviation [mm] expected between the part and the bone.
    """
    vertices = mean.vertices
    low = vertices[:, 2] < vertices[:, 2].min() + np.ptp(part.points[:, 2])
    move = aligned(vertices[low], part, turns=False, sized=False)
    points, normals = move.back(part.points), part.normals @ move.rotation
    inner = Cloud(points, normals, part.border, KDTree(points))
    basis = with_rigid(root, vertices)
    now, rank = vertices, basis.shape[1]
    for sigma in np.geomspace(START_MM, noise, ROUNDS):
        seen, place, weights = _seen(now, mean.faces, inner, sigma)
        across = _across(vertex_normals(now, mean.faces)[seen], weights) / sigma
        rows = (across @ basis.reshape(len(vertices), 3, rank)[seen]).reshape(-1, rank)
        factor = cho_factor(np.eye(rank) + rows.T @ rows, lower=True)
        away = (across @ (place - vertices[seen])[:, :, None]).reshape(-1)
        coefficients = cho_solve(factor, rows.T @ away)
        now = vertices + (basis @ coefficients).reshape(-1, 3)
    known = np.zeros(len(vertices), dtype=bool)
    known[seen] = True
    distance = float(np.mean(inner.distances(now[known])))
    covariance = cho_solve(factor, np.eye(rank))
    onto = fitted(now, vertices)
    return Posterior(onto.of(now), move.of(now), covariance, known, distance)


def _across(normals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Roots (K, 3, 3) of w (n nᵀ + t 1): what distances weigh across the surface and along it."""
    along, both = np.sqrt(TANGENTIAL), np.sqrt(1.0 + TANGENTIAL)
    roots = along * np.eye(3) + (both - along) * normals[:, :, None] * normals[:, None, :]
    return np.sqrt(weights)[:, None, None] * roots


def with_rigid(root: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """A root (3 V, Q) with columns for rigid moves of any size, (3 V, Q + 6)."""
    return np.concatenate([root, RIGID_MM * rigid_basis(vertices)], axis=1)


def _seen(
    vertices: np.ndarray, faces: np.ndarray, part: Cloud, sigma: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (K,) that the part shows, where (K, 3), and their weights (K,).

    Either a vertex finds its nearest point of the part, or it is the nearest of points of the part,
    whose middle it goes to: an end that is far beyond the model's is found by these only.
    """
    normals = vertex_normals(vertices, faces)
    place, at = part.nearest(vertices)
    facing = np.einsum("ij,ij->i", normals, part.normals[at]) > LEAST_FACING
    there = facing & ~part.border[at]
    step = max(1, len(part.points) // BACK)
    points = part.points[::step]
    _, nearest = KDTree(vertices).query(points)
    facing = np.einsum("ij,ij->i", normals[nearest], part.normals[::step]) > LEAST_FACING
    # At the border of a part, vertices beyond it would be drawn to it.
    facing &= ~part.border[at[nearest]]
    nearest, points = nearest[facing], points[facing]
    counts = np.bincount(nearest, minlength=len(vertices))
    sums = [np.bincount(nearest, points[:, n], len(vertices)) for n in range(3)]
    back = np.flatnonzero(counts)
    seen = np.concatenate([np.flatnonzero(there), back])
    places = np.concatenate([place[there], np.stack(sums, axis=1)[back] / counts[back, None]])
    away = np.linalg.norm(places - vertices[seen], axis=1)
    near = away < 3 * REACH * sigma
    weights = 1.0 / (1.0 + (away / (REACH * sigma)) ** 2) ** 2
    return seen[near], places[near], weights[near]
