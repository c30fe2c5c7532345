"""A surface of few, evenly spread vertices: the common mesh of a shape model.

Vertices of a fine mesh are gathered around seeds, each seed goes to the middle of its own (Lloyd's
iteration, a centroidal Voronoi diagram of the surface), and wherever three gatherings meet in a
triangle of the fine mesh, their seeds make a triangle of the coarse one.

Reference: Valette, Chassery: Approximated centroidal Voronoi diagrams for uniform polygonal mesh
coarsening. Computer Graphics Forum 23 (2004).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ..mesh_ct.meshes import Mesh
from .surface import edges_of, outwards, refined

ROUNDS = 15
TRIES = 20
FINE_PER_VERTEX = 20
"""Vertices of the fine mesh for each of the coarse one."""


def remeshed(mesh: Mesh, count: int, rng: np.random.Generator) -> Mesh:
    """A closed surface with about `count` vertices on it.

    Raises:
        ValueError: the surface is too folded for so few vertices.
    """
    area = float(_areas(mesh).sum())
    fine = refined(outwards(mesh), np.sqrt(area / (count * FINE_PER_VERTEX)) * 1.4)
    weights = np.bincount(fine.faces.reshape(-1), np.repeat(_areas(fine), 3), len(fine.vertices))
    chance = weights / weights.sum()
    seeds = fine.vertices[rng.choice(len(chance), count, replace=False, p=chance)]
    for _ in range(ROUNDS):
        _, owner = KDTree(seeds).query(fine.vertices)
        mass = np.bincount(owner, weights, count)
        sums = [np.bincount(owner, weights * fine.vertices[:, n], count) for n in range(3)]
        middles = np.stack(sums, axis=1) / np.maximum(mass, 1e-9)[:, None]
        seeds = np.where(mass[:, None] > 0, middles, seeds)
    # A middle lies beneath a curved surface: the nearest vertex of the fine mesh lies on it.
    _, at = KDTree(fine.vertices).query(seeds)
    _, owner = KDTree(fine.vertices[at]).query(fine.vertices)
    owner = _connected(owner, fine.faces)
    return _closed(Mesh(mesh.name, fine.vertices[at], _meeting(owner[fine.faces])))


def _connected(owner: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Owners (N,) of fine vertices where each gathering hangs together.

    What is near through the bone, not along its surface, goes to a neighbour's gathering.
    """
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner, count = owner.copy(), len(owner)
    for _ in range(TRIES):
        same = ends[owner[ends[:, 0]] == owner[ends[:, 1]]]
        links = coo_array((np.ones(len(same)), (same[:, 0], same[:, 1])), shape=(count, count))
        _, part = connected_components(links, directed=False)
        size = np.bincount(part)[part]
        largest = np.zeros(owner.max() + 1, dtype=int)
        np.maximum.at(largest, owner, size)
        stray = size < largest[owner]
        if not stray.any():
            break
        for one, other in ((ends[:, 0], ends[:, 1]), (ends[:, 1], ends[:, 0])):
            moves = stray[one] & ~stray[other]
            owner[one[moves]] = owner[other[moves]]
    return owner


def _meeting(owners: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) of gatherings that meet, of the owners (N, 3) of fine triangles' corners."""
    a, b, c = owners.T
    meet = owners[(a != b) & (b != c) & (c != a)]
    first = meet.argmin(axis=1)
    turned = np.take_along_axis(meet, (first[:, None] + np.arange(3)) % 3, axis=1)
    return np.unique(turned, axis=0)


def _closed(mesh: Mesh) -> Mesh:
    """The mesh without vertices of no triangle.

    Raises:
        ValueError: an edge has other than two triangles.
    """
    used, faces = np.unique(mesh.faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    _, _, counts = edges_of(faces)
    if (counts != 2).any():
        raise ValueError(
            f"surface: {mesh.name}: {int((counts != 2).sum())} edges of {len(used)} vertices are "
            "open; expected a closed, smoother surface, or more vertices"
        )
    return Mesh(mesh.name, mesh.vertices[used], faces)


def _areas(mesh: Mesh) -> np.ndarray:
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
