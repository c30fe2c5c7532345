"""Surfaces as registration sees them: many points of a closed surface with normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ..mesh_ct.meshes import Mesh

FINE_MM = 1.5
"""Longest edge, mostly, of what points are taken from."""


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit vectors (N, 3) outwards, where the triangles are counter-clockwise from outside."""
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    cross = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, corner], cross[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def outwards(mesh: Mesh) -> Mesh:
    """The same surface, its triangles counter-clockwise from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, n]] - mesh.vertices.mean(axis=0) for n in range(3))
    is_inward = float(np.einsum("ij,ij->", a, np.cross(b, c))) < 0
    return Mesh(mesh.name, mesh.vertices, mesh.faces[:, ::-1]) if is_inward else mesh


def edges_of(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges (E, 2), that of each side ab, bc and ca of the triangles (3 F,), and uses (E,)."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]))
    base = int(faces.max()) + 1
    # One number for both ends: much quicker than rows.
    numbers, of_side, counts = np.unique(
        ends[:, 0] * base + ends[:, 1], return_inverse=True, return_counts=True
    )
    return np.stack(np.divmod(numbers, base), axis=1), of_side, counts


def refined(mesh: Mesh, edge_mm: float = FINE_MM, most: int = 400_000) -> Mesh:
    """The same surface with every edge longer than `edge_mm` halved until none is, or too many.

    Both triangles at an edge see it halved, so that no gap opens.
    """
    vertices, faces = mesh.vertices, mesh.faces
    while len(vertices) < most:
        edges, of_edge, _ = edges_of(faces)
        is_long = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1) > edge_mm
        if not is_long.any():
            break
        middle = np.full(len(edges), -1)
        middle[is_long] = len(vertices) + np.arange(is_long.sum())
        vertices = np.concatenate([vertices, vertices[edges[is_long]].mean(axis=1)])
        faces = _cut(faces, middle[of_edge.reshape(3, -1)].T)
    return Mesh(mesh.name, vertices, faces)


def _cut(faces: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Triangles cut at the middles (F, 3) of their edges ab, bc, ca; -1 where an edge stays."""
    found = []
    cuts = (middle >= 0).sum(axis=1)
    found.append(faces[cuts == 0])
    # Turned so that the one edge to cut, or the one to stay, is the first.
    for count, wanted in ((1, True), (2, False)):
        rows = np.flatnonzero(cuts == count)
        first = ((middle[rows] >= 0) == wanted).argmax(axis=1)
        order = (first[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[rows], order, axis=1).T
        ab, bc, ca = np.take_along_axis(middle[rows], order, axis=1).T
        corners = ((a, ab, c), (ab, b, c)) if count == 1 else ((c, ca, bc), (ca, a, bc), (a, b, bc))
        found += [np.stack(one, axis=1) for one in corners]
    a, b, c = faces[cuts == 3].T
    ab, bc, ca = middle[cuts == 3].T
    corners = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate([*found, *(np.stack(one, axis=1) for one in corners)])


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points (N, 3) mm of a surface, normals (N, 3), and which lie at an open border (N,) bool."""

    points: np.ndarray
    normals: np.ndarray
    border: np.ndarray
    tree: KDTree

    def nearest(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (M, 3) of the surface nearest to places (M, 3), and the numbers of theirs.

        The surface is flat about each of its points.
        """
        _, at = self.tree.query(places)
        way = np.einsum("ij,ij->i", places - self.points[at], self.normals[at])
        flat = places - way[:, None] * self.normals[at]
        # Beside the points that there are, at a border, the plane goes on but the surface doesn't.
        beyond = np.linalg.norm(flat - self.points[at], axis=1) > 2 * FINE_MM
        return np.where(beyond[:, None], self.points[at], flat), at

    def distances(self, places: np.ndarray) -> np.ndarray:
        """Distance (M,) mm of places (M, 3) to the surface."""
        return np.linalg.norm(places - self.nearest(places)[0], axis=1)


def cloud_of(mesh: Mesh, edge_mm: float = FINE_MM) -> Cloud:
    """Points of a surface, about `edge_mm` apart or closer."""
    fine = refined(outwards(mesh), edge_mm)
    return Cloud(
        fine.vertices, vertex_normals(fine.vertices, fine.faces), borders(fine),
        KDTree(fine.vertices),
    )  # fmt: skip


def borders(mesh: Mesh) -> np.ndarray:
    """Whether each vertex is at an edge that has one triangle only, (N,) bool."""
    edges, _, counts = edges_of(mesh.faces)
    found = np.zeros(len(mesh.vertices), dtype=bool)
    found[edges[counts == 1].reshape(-1)] = True
    return found


def surface_distances(one: Cloud, other: Cloud, step: int = 1) -> np.ndarray:
    """Distances [mm] between two surfaces, of the points of either to the other."""
    there, back = other.distances(one.points[::step]), one.distances(other.points[::step])
    return np.concatenate([there, back])
