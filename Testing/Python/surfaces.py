"""Surfaces of bones that need no data: balls and long bones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from BoneXrayTrainingLib.mesh_ct.meshes import Mesh

REAL_HAND = Path(__file__).parents[3] / "shared/data/meshes/hand_right_myosim.npz"
"""Not of the repository: tests of it skip where it is not there."""
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


CARPUS = {
    "scaphoid": ((75.0, 11.0, -254.5), (6.0, 8.0, 6.5)),
    "lunate": ((61.5, 8.5, -251.0), (6.0, 7.5, 5.5)),
    "triquetrum": ((49.5, 10.0, -258.5), (5.0, 6.0, 6.5)),
    "pisiform": ((49.0, 21.5, -260.5), (4.0, 4.0, 5.0)),
    "trapezium": ((86.5, 18.5, -267.5), (5.5, 6.0, 6.0)),
    "trapezoid": ((78.0, 9.5, -268.5), (4.0, 6.0, 5.0)),
    "capitate": ((67.5, 9.0, -267.5), (5.5, 7.0, 9.5)),
    "hamate": ((55.5, 11.0, -269.5), (5.5, 7.5, 6.5)),
}
"""Middle and half axes of ellipsoids about as large as the bones of a right hand, RAS mm."""


def carpal(name: str) -> Mesh:
    """An ellipsoid in place of a carpal bone."""
    at, half = CARPUS[name]
    round_one = ball(name, 1.0)
    return Mesh(name, round_one.vertices * half + at, round_one.faces)


def wrist() -> list[Mesh]:
    """A right hand that hangs down, palm in front: carpals, metacarpals and forearm bones."""
    palm = [
        long_bone(f"{n}mc", 55, 3.0, (x, 9.0, -333.0))
        for n, x in ((2, 79.5), (3, 68.0), (4, 57.0), (5, 46.5))
    ]
    thumb = long_bone("1mc", 42, 3.5, (97.0, 24.0, -317.0))
    forearm = [
        long_bone("radius", 110, 7.5, (69.0, 8.0, -244.0)),
        long_bone("ulna", 110, 5.0, (46.5, 5.0, -243.0)),
    ]
    return [*(carpal(name) for name in CARPUS), *palm, thumb, *forearm]
