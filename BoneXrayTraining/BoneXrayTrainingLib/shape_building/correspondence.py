"""The vertices of a template laid over another surface of the same bone.

The template moves by a smooth deformation (`kernels`), found in turns with which points belong
together: nearest ones, in both directions, whose normals agree, far ones weighing little. What is
expected of the distance left shrinks from turn to turn, so that large smooth differences are found
before small ones.

Reference: Amberg, Romdhani, Vetter: Optimal step nonrigid ICP algorithms for surface registration.
CVPR (2007); here with the deformation of a Gaussian process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve
from scipy.spatial import KDTree

from ..mesh_ct.meshes import Mesh
from .alignment import Similarity, aligned
from .kernels import kernel_basis
from .surface import Cloud, vertex_normals

SCALES = {250.0: 12.0, 80.0: 6.0, 30.0: 3.0, 14.0: 1.5}
"""Amplitude [mm] of the template's deformations by their scale [mm]."""
RANK = 300
NOISE_MM = (8.0, 6.0, 4.5, 3.5, 2.5, 2.0, 1.5, 1.2, 0.9, 0.7, 0.5, 0.4, 0.3, 0.3)
"""Expected distance of points that belong together, from turn to turn."""
TANGENTIAL = 0.08
"""Weight of a distance along the surface, beside that across it."""
LEAST_FACING = 0.5
"""Cosine between the normals of points that may belong together."""
BACK = 3000
"""Points of the surface that look for the template."""


@dataclass(frozen=True, eq=False)
class Template:
    """A mesh to be laid over surfaces, and how it deforms: `basis` (V, R)."""

    mesh: Mesh
    basis: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, rank: int = RANK) -> Template:
        return cls(mesh, kernel_basis(mesh.vertices, SCALES, rank))


@dataclass(frozen=True, eq=False)
class Rows:
    """Points that belong together: vertex (N,), place (N, 3), normal (N, 3), weight (N,)."""

    vertex: np.ndarray
    place: np.ndarray
    normal: np.ndarray
    weight: np.ndarray


def corresponding(
    template: Template, surface: Cloud, turns: bool = True, start: Similarity | None = None
) -> np.ndarray:
    """The template's vertices on a surface, (V, 3) in the surface's frame, rigid move included."""
    mesh = template.mesh
    move = start or aligned(mesh.vertices, surface, turns)
    inner = Cloud(
        move.back(surface.points),
        surface.normals @ move.rotation,
        surface.border,
        KDTree(move.back(surface.points)),
    )
    vertices = mesh.vertices
    for noise in NOISE_MM:
        rows = _pairs(vertices, mesh.faces, inner, noise)
        vertices = mesh.vertices + template.basis @ deformation(
            template.basis, mesh.vertices, rows, noise
        )
    return move.of(_onto(vertices, mesh.faces, inner))


def deformation(basis: np.ndarray, vertices: np.ndarray, rows: Rows, noise: float) -> np.ndarray:
    """Coefficients (R, 3) of the likeliest deformation of vertices (V, 3).

    The least Σ w [(n·r)² + t |r|²] / noise² + |C|²,   r = vertex + Φ C - place
    """
    count, rank = basis.shape
    # n nᵀ + t 1 of all rows of a vertex at once: a symmetric matrix (V, 3, 3).
    metric = np.einsum("n,ni,nj->nij", rows.weight, rows.normal, rows.normal)
    metric += TANGENTIAL * rows.weight[:, None, None] * np.eye(3)
    metric /= noise**2
    pull = np.einsum("nij,nj->ni", metric, rows.place - vertices[rows.vertex])
    metrics = np.zeros((count, 3, 3))
    pulls = np.zeros((count, 3))
    np.add.at(metrics, rows.vertex, metric)
    np.add.at(pulls, rows.vertex, pull)
    system = np.empty((3, rank, 3, rank))
    for i in range(3):
        for j in range(i, 3):
            block = basis.T @ (metrics[:, i, j, None] * basis)
            system[i, :, j, :] = block
            system[j, :, i, :] = block.T
    system = system.reshape(3 * rank, 3 * rank)
    system[np.diag_indices(3 * rank)] += 1.0
    found = solve(system, (basis.T @ pulls).T.reshape(-1), assume_a="pos", overwrite_a=True)
    return found.reshape(3, rank).T


def _pairs(vertices: np.ndarray, faces: np.ndarray, surface: Cloud, noise: float) -> Rows:
    """Points that belong together, found from the template and from the surface."""
    normals = vertex_normals(vertices, faces)
    place, at = surface.nearest(vertices)
    there = _rows(np.arange(len(vertices)), vertices, normals, place, surface.normals[at], noise)
    there.weight[surface.border[at]] = 0.0
    some = slice(None, None, max(1, len(surface.points) // BACK))
    points, of_points = surface.points[some], surface.normals[some]
    _, vertex = KDTree(vertices).query(points)
    back = _rows(vertex, vertices, normals, points, of_points, noise)
    # A point's nearest vertex is up to half an edge away along the surface: only across it counts.
    return Rows(*(np.concatenate(pair) for pair in zip(_fields(there), _fields(back), strict=True)))


def _rows(
    vertex: np.ndarray, vertices: np.ndarray, normals: np.ndarray, place: np.ndarray,
    normal: np.ndarray, noise: float,
) -> Rows:  # fmt: skip
    away = np.linalg.norm(vertices[vertex] - place, axis=1)
    limit = 3.0 * noise + 1.0
    weight = 1.0 / (1.0 + (away / limit) ** 2) ** 2
    weight *= np.einsum("ij,ij->i", normals[vertex], normal) > LEAST_FACING
    return Rows(vertex, place, normal, weight)


def _fields(rows: Rows) -> tuple[np.ndarray, ...]:
    return rows.vertex, rows.place, rows.normal, rows.weight


def _onto(vertices: np.ndarray, faces: np.ndarray, surface: Cloud, rounds: int = 3) -> np.ndarray:
    """Vertices (V, 3) brought onto the surface across it, where it is near; along it they stay."""
    for _ in range(rounds):
        normals = vertex_normals(vertices, faces)
        place, at = surface.nearest(vertices)
        way = np.einsum("ij,ij->i", place - vertices, normals)
        good = (np.abs(way) < 3.0) & ~surface.border[at]
        good &= np.einsum("ij,ij->i", normals, surface.normals[at]) > LEAST_FACING
        vertices = vertices + np.where(good, way, 0.0)[:, None] * normals
    return vertices
