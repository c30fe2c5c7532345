"""Surfaces of bones that need no data: balls and long bones."""

from __future__ import annotations

import numpy as np

from BoneXrayTrainingLib.mesh_ct.meshes import Mesh

AROUND = 40
"""Vertices in a ring."""


def turned_surface(name: str, outline: np.ndarray, at: tuple[float, float, float]) -> Mesh:
    """A closed surface of revolution about S from its outline (N, 2) of height and radius."""
    around = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around), np.zeros(AROUND)], axis=1)
    rings = [ring * (r, r, 0) + (0, 0, z) for z, r in outline[1:-1]]
    ends = [[(0, 0, outline[0, 0])], [(0, 0, outline[-1, 0])]]
    vertices = np.concatenate([*rings, *ends]) + at
    faces, bottom, top = [], len(rings) * AROUND, len(rings) * AROUND + 1
    for n in range(AROUND):
        after = (n + 1) % AROUND
        faces.append((bottom, after, n))
        faces.append((top, bottom - AROUND + n, bottom - AROUND + after))
        for ring_number in range(len(rings) - 1):
            low, high = AROUND * ring_number, AROUND * (ring_number + 1)
            faces += [(low + n, low + after, high + n), (low + after, high + after, high + n)]
    return Mesh(name, vertices, np.array(faces))


def ball(name: str = "ball", radius: float = 15.0, at: tuple = (0.0, 0.0, 0.0)) -> Mesh:
    turn = np.linspace(0, np.pi, 25)
    return turned_surface(
        name, np.column_stack([-radius * np.cos(turn), radius * np.sin(turn)]), at
    )


def long_bone(name: str, length: float, radius: float, at: tuple = (0.0, 0.0, 0.0)) -> Mesh:
    """A shaft with thicker, round ends, from `at` upwards."""
    z = np.linspace(0, 1, 41)
    end = np.minimum(z, 1 - z) * length
    wide = radius * (1 + 0.7 * np.exp(-((end / (1.5 * radius)) ** 2)))
    wide *= np.sqrt(np.clip(1 - (1 - np.minimum(end / radius, 1)) ** 2, 0, 1))
    return turned_surface(name, np.column_stack([z * length, wide]), at)


def volume_of(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    return abs(float(np.einsum("ij,ij->", a, np.cross(b, c)))) / 6
